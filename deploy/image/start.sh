#!/bin/sh
# Starts pixmill with the kernels that were compiled when the image was built. numba wants to write to the folder of
# these, which the image's own is not for; without one they would be compiled anew, half a minute long.
[ -d "$NUMBA_CACHE_DIR" ] || cp -R /opt/pixmill/kernels "$NUMBA_CACHE_DIR" 2>/dev/null
exec pixmill "$@"
