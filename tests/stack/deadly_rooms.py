"""What the Functions host of test_lost_workers.py runs: the rooms of picture_rooms.py, but for one.

The images end the worker with SIGKILL when they are to decode a picture of certain widths in it, as the kernel does
when memory is gone. A picture that is decoded alone is decoded by the real ones.
"""

import os
import signal
from dataclasses import replace
from functools import cached_property
from typing import BinaryIO

from shared.adapters.images import PillowImages
from shared.ports import House, Picture
from shared.settings import Settings
from shared.wiring import use
from tests.stack.picture_rooms import PictureWiring, app

__all__ = ["app"]

_DEADLY = os.environ["DEADLY_WIDTHS"].split(",")


class DeadlyImages(PillowImages):
    """The real ones, but for pictures of these widths."""

    async def for_screening(self, file: BinaryIO, picture: Picture) -> bytes:
        """As it is, unless it is deadly."""
        if str(picture.width) in _DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)
        return await super().for_screening(file, picture)


class DeadlyWiring(PictureWiring):
    """The wiring of the product, with these images."""

    @cached_property
    def house(self) -> House:
        """Everything that the corridor needs."""
        return replace(super().house, images=DeadlyImages())


use(DeadlyWiring(Settings.from_env(os.environ)))
