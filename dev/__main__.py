"""`python3 -m dev COMMAND`: runs every command that a developer needs.

This file must compile on old Pythons, so that they get a clear message. Import whatever needs a newer Python only
after the version check.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this line is here for the Pythons that the project does not support
    sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + " (" + sys.executable + ").")

from dev.commands import main

sys.exit(main(sys.argv[1:]))
