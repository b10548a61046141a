"""What a fork server imports besides `pixmill.batch.warm` where clusters are wanted.

Importing this module loads decoders and compiles kernels on purpose; only preload lists name it.
"""

import numpy as np

import pixmill.imaging.preview
import pixmill.imaging.scaled  # noqa: F401  preloaded for their imports alone
from pixmill.color.summary import summarize

summarize(np.arange(300, dtype=np.uint8).reshape(10, 10, 3), None, "kmeans", 2)
