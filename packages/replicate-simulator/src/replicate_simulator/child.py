"""Runs the simulator as a child process, for tests and tools that are not asynchronous.

    with started("--time-scale", "10") as simulator:
        client = replicate.Client(api_token=simulator.token, base_url=simulator.url)

Rules: the child ends when its standard input ends, so that it ends with its parent, however the parent ends. It runs
the package that started it, so that it is the same one where several are installed, or none.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.request import ProxyHandler, Request, build_opener

#: How long a child may take to end; it takes half a second where an answer is still under way.
_END_S: Final = 10


@dataclass(frozen=True, slots=True)
class Running:
    """A simulator that runs: its address without /v1, the account's token, the secret that signs its webhooks."""

    url: str
    token: str = field(repr=False)
    webhook_secret: str = field(repr=False)

    def switch(self, what: str, **body: object) -> None:
        """Posts to /_sim/{what}: `switch("faults", kind="create_402")`. Raises urllib's HTTPError if it is refused."""
        headers = {"Content-Type": "application/json"}
        # The address is the child's own, on loopback: no proxy leads there.
        request = Request(f"{self.url}/_sim/{what}", json.dumps(body).encode(), headers, method="POST")  # noqa: S310
        build_opener(ProxyHandler({})).open(request, timeout=_END_S).close()


def environment() -> dict[str, str]:
    """Returns this process' environment, with this package first on PYTHONPATH."""
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


@contextmanager
def started(*options: str) -> Iterator[Running]:
    """Starts `python -m replicate_simulator` with these options and yields where it is; it ends with the block.

    Raises:
        RuntimeError: it did not start; its standard error says why.
    """
    command = [sys.executable, "-m", "replicate_simulator", "--exit-with-stdin", *options]
    pipe = subprocess.PIPE
    # The command is this package's own.
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment()) as process:  # noqa: S603
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise RuntimeError("the simulator did not start: its standard error says why")
            ready = json.loads(line)
            yield Running(ready["url"], ready["token"], ready["webhook_secret"])
        finally:
            if process.stdin:
                process.stdin.close()
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
