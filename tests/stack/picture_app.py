"""What the Functions host of test_inputs.py runs in place of function_app.py: Darkroom's doors and rooms, but one.

The one room is the InputFetcher. It is the real one, told by its constructor that one server on loopback may be asked:
by its name, at its port, under the test's own certificate. No setting can say that; this file is a program of its own.
"""

import os
import ssl
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from dev.bench.peers.darkroom import triggers
from shared.adapters.net.input_files import InputFetcher
from shared.composition.app import App, use
from shared.config.settings import Settings
from shared.ports import Dependencies

app = triggers()

#: The internet, as far as this host knows it.
NAMES = {"pictures.example": "127.0.0.1", "private.example": "10.0.0.1", "metadata.example": "169.254.169.254"}


async def resolve(host: str) -> Sequence[str]:
    """The addresses of a name."""
    if host not in NAMES:
        raise OSError("no such host")
    return [NAMES[host]]


class PictureWiring(App):
    """The wiring of the product, with a fetcher that knows one server on loopback."""

    @cached_property
    def deps(self) -> Dependencies:
        """Everything that the corridor needs."""
        fetcher = InputFetcher(
            resolve=resolve,
            opened={"pictures.example": int(os.environ["PICTURES_PORT"])},
            tls=ssl.create_default_context(cafile=os.environ["PICTURES_CA"]),
            total_s=5,
        )
        return replace(super().deps, inputs=fetcher)


use(PictureWiring(Settings.from_env(os.environ)))
