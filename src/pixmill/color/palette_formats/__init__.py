"""The file formats of palettes, a module each: bytes to entries, and a palette to bytes."""
