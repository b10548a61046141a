"""Colors as numbers: arrays in, numbers out; no I/O, no settings, no logging."""
