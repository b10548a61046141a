"""One module a format: its header, read with `struct` alone. Nothing here decodes pixels."""
