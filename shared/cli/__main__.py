"""`python3 -m shared.cli ...`."""

import sys

from shared.cli.main import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
