"""``python -m spikewise`` is the command line."""

from spikewise.cli import main

if __name__ == "__main__":
    main()
