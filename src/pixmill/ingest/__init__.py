"""Images into the archive: from a batch, from a folder that is watched, from requests.

`keeper` puts bytes where they stay, `arrivals` writes down what came. What the archive is made of
is `store`'s, how images are fetched and analyzed `batch`'s.
"""
