"""An outage of the whole account: for so many real seconds every request to the API gets the same error.

503       the proxy's page
402       no credit is left; with `creates_only` for creates alone, as at Replicate
refused   no connection is made at all: to the API, to the outputs and to /_sim (serving.Listener)
"""

import time
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from replicate_simulator import problems

KINDS: Final = ("503", "402", "refused")
#: The longest outage, in seconds.
LONGEST_S: Final = 600


@dataclass(frozen=True, slots=True)
class Outage:
    """One outage; `until_s` is on the monotonic clock."""

    kind: str
    until_s: float
    creates_only: bool = False

    @property
    def left_s(self) -> float:
        """How many seconds it has still to go."""
        return max(0.0, self.until_s - time.monotonic())

    def answer(self, request: web.Request) -> web.Response | None:
        """Returns the answer to a request to the API, or None if the outage is over or spares this request."""
        creates = request.method == "POST" and request.path.endswith(("/predictions", "/trainings"))
        if not self.left_s or (self.creates_only and not creates):
            return None
        return problems.no_credit().response() if self.kind == "402" else problems.proxy_error(503)
