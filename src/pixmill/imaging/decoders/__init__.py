"""One module a decoder library or flavour: bytes that a probe has passed, to pixels."""
