"""What the Functions host of test_inputs.py runs in place of function_app.py: Darkroom with another ``InputFetcher``.

It is the real class. Its constructor allows one server on loopback: by its name, at its port, under the test's own
certificate. No setting can allow that, so this file is a program of its own.
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

#: The only names that this host resolves.
NAMES = {"pictures.example": "127.0.0.1", "private.example": "10.0.0.1", "metadata.example": "169.254.169.254"}


async def resolve(host: str) -> Sequence[str]:
    """The addresses of a name."""
    if host not in NAMES:
        raise OSError("no such host")
    return [NAMES[host]]


class PictureApp(App):
    """The product's app, with a fetcher that may reach one server on loopback."""

    @cached_property
    def deps(self) -> Dependencies:
        """The dependencies of the message handler."""
        fetcher = InputFetcher(
            resolve=resolve,
            opened={"pictures.example": int(os.environ["PICTURES_PORT"])},
            tls=ssl.create_default_context(cafile=os.environ["PICTURES_CA"]),
            total_s=5,
        )
        return replace(super().deps, inputs=fetcher)


use(PictureApp(Settings.from_env(os.environ)))
