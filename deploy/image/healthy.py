"""Ask the process of this container whether it lives, for the engine's health check: exit 0 or 1.

Needs nothing but Python. `healthy.py api` asks `pixmill serve`, `healthy.py worker` the worker.
"""

import os
import sys
import urllib.request

TIMEOUT_S = 4.0


def port_of(role: str) -> str:
    """Find the port that the process listens on, by the variables that it reads itself."""
    if role == "worker":
        return os.environ.get("PIXMILL_METRICS_PORT") or "9100"
    return os.environ.get("PIXMILL_PORT") or os.environ.get("PORT") or "5000"


def main() -> int:
    """Say in a line what is wrong, where something is."""
    url = f"http://127.0.0.1:{port_of(sys.argv[1])}/healthz"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=TIMEOUT_S):
            return 0
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{url}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
