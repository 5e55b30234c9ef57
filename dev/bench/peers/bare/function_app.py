"""The road of a prediction alone, Darkroom's way: webhook, stream, store. Nothing is held, nothing screened."""

import os
from functools import cached_property
from typing import Any

from dev.bench.peers.bare.rooms import MemoryIndex, MemoryStore, TrustingScreener
from dev.bench.peers.darkroom import doors
from shared.composition.app import App, use
from shared.config.settings import Settings

app = doors()


class BareWiring(App):
    """No-ops for what the polling designs do not do."""

    @cached_property
    def store(self) -> Any:
        """In memory."""
        return MemoryStore()

    @cached_property
    def index(self) -> Any:
        """In memory."""
        return MemoryIndex()

    @cached_property
    def screener(self) -> Any:
        """Allows all."""
        return TrustingScreener()


use(BareWiring(Settings.from_env(os.environ)))
