"""The routes, one subject a module. What stands before all of them is in `armor` and `gate`."""
