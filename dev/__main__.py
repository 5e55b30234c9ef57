"""`python3 -m dev COMMAND`: the door to everything a developer runs.

This file must compile on old Pythons, so that they can be told politely; whatever needs a new one is
imported after the version was looked at.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this line is here for the Pythons that the project does not support
    sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + " (" + sys.executable + ").")

from dev.commands import main

sys.exit(main(sys.argv[1:]))
