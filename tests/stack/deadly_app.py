"""What the Functions host of test_lost_workers.py runs: the app of picture_app.py with other ``Images``.

These images kill the worker with SIGKILL when it decodes a picture of certain widths, as the kernel does when memory is
exhausted. In a process of its own the real decoder decodes most of these pictures; one width kills that process too.
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
from tests.stack.picture_app import PictureApp, app

__all__ = ["app"]

_DEADLY = os.environ["DEADLY_WIDTHS"].split(",")
_ALWAYS_DEADLY = os.environ["DEADLY_EVEN_ALONE"]


class DeadlyImages(PillowImages):
    """The real images, except for pictures of the deadly widths."""

    async def for_screening(self, file: BinaryIO, picture: Picture) -> bytes:
        """Decode as the real one, unless the width is a deadly one."""
        if str(picture.width) in (*_DEADLY, _ALWAYS_DEADLY):
            os.kill(os.getpid(), signal.SIGKILL)
        return await super().for_screening(file, picture)

    def alone(self) -> Images:
        """The real images in a process of their own, except for one width."""
        return DeadlyAlone()


class DeadlyAlone(Alone):
    """The real images in a process of their own, except for one width."""

    async def for_screening(self, file: BinaryIO, picture: Picture) -> bytes:
        """Decode as the real one, unless the width is deadly in a process of its own too."""
        if str(picture.width) == _ALWAYS_DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)
        return await super().for_screening(file, picture)


class DeadlyApp(PictureApp):
    """The product's app, with these images."""

    @cached_property
    def deps(self) -> Dependencies:
        """The dependencies of the message handler."""
        return replace(super().deps, images=DeadlyImages())


use(DeadlyApp(Settings.from_env(os.environ)))
