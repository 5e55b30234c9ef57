"""The whole road with every SDK imported at the start and used as its samples have it; see rooms.py."""

import os

from dev.bench.peers.house import doors
from dev.bench.peers.usual.rooms import UsualWiring
from shared.settings import Settings
from shared.wiring import use

app = doors()
use(UsualWiring(Settings.from_env(os.environ)))
