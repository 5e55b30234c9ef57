"""Explains in sentences, without a traceback, why the local stack did not start; several failures get a line each."""

from collections.abc import Iterator

from dev.process import StartError
from dev.setup_step import SetupError
from shared.config.settings import SettingsError

#: The exceptions of a failed start.
TROUBLE = (StartError, SetupError, SettingsError, OSError, ExceptionGroup)


def sentences(error: Exception) -> Iterator[str]:
    """The failures as sentences, one for each exception of a group. A bug is named by the type of its exception."""
    if isinstance(error, ExceptionGroup):
        for each in error.exceptions:
            yield from sentences(each)
    elif isinstance(error, (StartError, SetupError, SettingsError)):
        yield str(error)
    else:
        yield f"The local stack could not start: {type(error).__name__}: {error}"
