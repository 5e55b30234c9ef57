"""The whole road with every SDK imported at the start and used as its samples have it; see rooms.py."""

import os

from dev.bench.peers.darkroom import doors
from dev.bench.peers.usual.rooms import UsualWiring
from shared.composition.app import use
from shared.config.settings import Settings

app = doors()
use(UsualWiring(Settings.from_env(os.environ)))
