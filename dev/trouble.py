"""Why the local stack did not start, in sentences: no traceback, and each of several that failed together."""

from collections.abc import Iterator

from dev.process import StartError
from dev.setup_step import SetupError
from shared.config.settings import SettingsError

#: What a start may raise.
TROUBLE = (StartError, SetupError, SettingsError, OSError, ExceptionGroup)


def sentences(error: Exception) -> Iterator[str]:
    """What is wrong, without a traceback: of several at once each; a bug's own kind is named."""
    if isinstance(error, ExceptionGroup):
        for each in error.exceptions:
            yield from sentences(each)
    elif isinstance(error, (StartError, SetupError, SettingsError)):
        yield str(error)
    else:
        yield f"The local stack could not start: {type(error).__name__}: {error}"
