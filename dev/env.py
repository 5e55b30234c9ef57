"""`python3 -m dev env`: the settings of the running local stack, for a shell: eval "$(python3 -m dev env)"."""

import shlex
import sys
from urllib.parse import urlsplit

from dev import running
from dev.process import StartError
from replicate_simulator.clients import client_environment


def main(argv: list[str]) -> int:
    """Print a line for each setting that has a value; 1 if no stack is running."""
    if argv:
        print("usage: python3 -m dev env", file=sys.stderr)
        return 2
    try:
        values = running.values()
    except StartError as error:
        print(error, file=sys.stderr)
        return 1
    api = values.get("REPLICATE_API_URL", "")
    if urlsplit(api).hostname == "127.0.0.1":
        values |= client_environment(api.removesuffix("/v1"), values["REPLICATE_API_TOKEN"])
    for name, value in values.items():
        # A name with a colon or a blank cannot be a shell variable.
        if value and name.replace("_", "a").isalnum():
            print(f"export {name}={shlex.quote(value)}")
    return 0
