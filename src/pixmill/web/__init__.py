"""The service: HTTP in front of matching, counting and palettes.

The lower half is between the socket and the routes and knows nothing of images: `server.py` (and
`sockets.py`) listens, `protocol.py` and `patience.py` hold connections to their limits,
`proxies.py` says who is asking, `armor.py` gives every request its id, its headers, its limits and
its line in the log, `uploads.py` takes files in, `metrics.py` counts. Nothing is imported here, so
that commands which do not serve do not pay for it.
"""
