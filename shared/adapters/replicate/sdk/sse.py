"""Decodes server-sent events from bytes (html.spec.whatwg.org/multipage/server-sent-events.html). Pure.

Lines end with CR, LF or both, and with nothing else: a text may hold every other line separator of Unicode.
"""

import re
from dataclasses import dataclass

#: The largest event, in bytes: an image as a data URI fits.
MOST_BYTES = 16 * 1024 * 1024

_LINE_END = re.compile(rb"\r\n|\n|\r(?=.)", re.DOTALL)


class TooLargeError(ValueError):
    """An event is larger than MOST_BYTES."""


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One event. ``id`` is empty if there is none."""

    type: str
    data: str
    id: str


class SseDecoder:
    """Takes bytes as they arrive and returns the events that they complete. Drops comments."""

    def __init__(self) -> None:
        self._open: list[bytes] = []  # the parts of the line that has not ended: joined once, because it may be long
        self._waiting = b""  # a CR, which may be half of a CR LF
        self._type, self._id = "", ""
        self._data: list[str] = []
        self._bytes = 0

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """The events that end in this chunk. TooLargeError if one is larger than MOST_BYTES."""
        *lines, rest = _LINE_END.split(self._waiting + chunk)
        self._waiting = b"\r" if rest.endswith(b"\r") else b""
        events = []
        for line in lines:
            if (event := self._take_line(b"".join([*self._open, line]))) is not None:
                events.append(event)
            self._open = []
        self._open.append(rest.removesuffix(b"\r"))
        if self._bytes + sum(map(len, self._open)) > MOST_BYTES:
            raise TooLargeError
        return events

    def _take_line(self, line: bytes) -> SseEvent | None:
        if not line:
            return self._finish_event()
        name, _, value = line.partition(b":")
        content = value.removeprefix(b" ").decode(errors="replace")
        self._bytes += len(line)
        match name:
            case b"event":
                self._type = content
            case b"data":
                self._data.append(content)
            case b"id":
                self._id = content
            case _:
                pass
        return None

    def _finish_event(self) -> SseEvent | None:
        event = SseEvent(self._type or "message", "\n".join(self._data), self._id) if self._data else None
        self._type, self._id, self._data, self._bytes = "", "", [], 0
        return event
