"""What the Functions host of test_lost_workers.py runs: the rooms of picture_app.py, but for one.

The images end the worker with SIGKILL when they are to decode a picture of certain widths in it, as the kernel does
when memory is gone. Decoded alone, most are decoded by the real ones; some end the worker even then.
"""

import os
import signal
from dataclasses import replace
from functools import cached_property
from typing import BinaryIO

from shared.adapters.media.images import PillowImages
from shared.adapters.media.images.alone import Alone
from shared.composition.app import use
from shared.config.settings import Settings
from shared.ports import Dependencies, Images, Picture
from tests.stack.picture_app import PictureWiring, app

__all__ = ["app"]

_DEADLY = os.environ["DEADLY_WIDTHS"].split(",")
_ALWAYS_DEADLY = os.environ["DEADLY_EVEN_ALONE"]


class DeadlyImages(PillowImages):
    """The real ones, but for pictures of these widths."""

    async def for_screening(self, file: BinaryIO, picture: Picture) -> bytes:
        """As it is, unless it is deadly."""
        if str(picture.width) in (*_DEADLY, _ALWAYS_DEADLY):
            os.kill(os.getpid(), signal.SIGKILL)
        return await super().for_screening(file, picture)

    def alone(self) -> Images:
        """The real ones, but for one width."""
        return DeadlyAlone()


class DeadlyAlone(Alone):
    """The real ones, but for one width."""

    async def for_screening(self, file: BinaryIO, picture: Picture) -> bytes:
        """As it is, unless it is deadly even so."""
        if str(picture.width) == _ALWAYS_DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)
        return await super().for_screening(file, picture)


class DeadlyWiring(PictureWiring):
    """The wiring of the product, with these images."""

    @cached_property
    def deps(self) -> Dependencies:
        """Everything that the corridor needs."""
        return replace(super().deps, images=DeadlyImages())


use(DeadlyWiring(Settings.from_env(os.environ)))
