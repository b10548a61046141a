"""Compile every kernel of pixmill, into the folder that NUMBA_CACHE_DIR names.

Run when the image is built: it takes half a minute of a processor, which no container has to spend
again. A kernel is compiled where its module is imported.
"""

import importlib
import pkgutil

import pixmill.color
import pixmill.imaging

for room in (pixmill.color, pixmill.imaging):
    for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
        importlib.import_module(module.name)
