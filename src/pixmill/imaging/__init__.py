"""Untrusted bytes to pixels, under limits. Knows nothing of settings or the network."""
