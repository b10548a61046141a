"""The steps, each in a module that is never changed once it was released."""
