"""The flow of a prediction alone, in Darkroom's way: webhook, stream, store. No credits, no screening."""

import os
from functools import cached_property
from typing import Any

from dev.bench.peers.bare.adapters import MemoryIndex, MemoryStore, TrustingScreener
from dev.bench.peers.darkroom import triggers
from shared.composition.app import App, use
from shared.config.settings import Settings

app = triggers()


class BareApp(App):
    """Darkroom's app with no-ops for what the polling designs do not do."""

    @cached_property
    def store(self) -> Any:
        """A store in memory."""
        return MemoryStore()

    @cached_property
    def index(self) -> Any:
        """An index in memory."""
        return MemoryIndex()

    @cached_property
    def screener(self) -> Any:
        """A screener that allows all."""
        return TrustingScreener()


use(BareApp(Settings.from_env(os.environ)))
