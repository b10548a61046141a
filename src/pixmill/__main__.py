"""`python -m pixmill` is `pixmill`."""

from pixmill.cli import main

if __name__ == "__main__":
    main()
