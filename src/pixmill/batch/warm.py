"""What the fork server imports before it forks, so that no worker pays for it again.

Importing this module loads the kernels and the decoder of the commonest format on purpose; nothing
but the pool's preload list names it.
"""

import sys

import simplejpeg  # noqa: F401  preloaded for its import alone

import pixmill.analysis
import pixmill.imaging.decode  # noqa: F401

# Numba looks for BLAS by importing scipy.linalg, a quarter of a second that no kernel here needs.
# Hidden only in this process and only meanwhile; without it numba goes on.
sys.modules["scipy.linalg"] = None  # type: ignore[assignment]  # how an import is forbidden
try:
    from pixmill.color.counting import warm_up

    warm_up()
finally:
    del sys.modules["scipy.linalg"]
