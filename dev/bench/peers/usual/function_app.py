"""The whole flow with every SDK imported at the start and used as its samples show; see adapters.py."""

import os

from dev.bench.peers.darkroom import triggers
from dev.bench.peers.usual.adapters import UsualApp
from shared.composition.app import use
from shared.config.settings import Settings

app = triggers()
use(UsualApp(Settings.from_env(os.environ)))
