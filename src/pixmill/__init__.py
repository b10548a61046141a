"""pixmill: colours, fingerprints and normalised versions of images."""

__version__ = "0.1.0"
