"""The log of the functions and the host on stderr: readable text, or one JSON object per line."""

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime

#: The running function and invocation: (function name, invocation id).
CURRENT: ContextVar[tuple[str, str] | None] = ContextVar("current_invocation", default=None)

#: The attributes of every record; all others were given as `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

#: Libraries that log each of their requests at INFO, with URLs that may be signed.
_TALKATIVE = ("azure", "httpx", "httpcore", "aiohttp", "uvicorn", "asyncio", "urllib3")


def configure(level: int, *, as_json: bool) -> None:
    """Write all log records to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


class JsonFormatter(logging.Formatter):
    """One object per record: t, level, logger, message, function, invocation_id, exception, and the extras."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        entry = {
            "t": _time(record).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_invocation(),
            **_extras(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


class TextFormatter(logging.Formatter):
    """A line for a person: extras at its end, a traceback below."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        extras = " ".join(f"{name}={value}" for name, value in _extras(record).items())
        where = _invocation().get("function", record.name)
        line = f"{_time(record):%H:%M:%S.%f}"[:-3] + f" {record.levelname:<7} {where}: {record.getMessage()}"
        return "\n".join(
            [f"{line}  {extras}".rstrip(), *([self.formatException(record.exc_info)] if record.exc_info else [])]
        )


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _invocation() -> dict[str, str]:
    current = CURRENT.get()
    return {} if current is None else {"function": current[0], "invocation_id": current[1]}


def _extras(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}
