"""What a video, a sound or trained weights are, by their first bytes and not by their name."""

#: How much of a file is needed to tell.
HEAD_BYTES = 262

# Where the mark stands, the mark, and what it says: https://mimesniff.spec.whatwg.org/#matching-an-audio-or-video-type-pattern
_MARKS: dict[str, tuple[tuple[int, bytes, str, str], ...]] = {
    "video": (
        (4, b"ftyp", "video/mp4", "mp4"),
        (0, b"\x1a\x45\xdf\xa3", "video/webm", "webm"),
    ),
    "audio": (
        (8, b"WAVE", "audio/wav", "wav"),
        (0, b"ID3", "audio/mpeg", "mp3"),
        (0, b"\xff\xfb", "audio/mpeg", "mp3"),
        (0, b"\xff\xf3", "audio/mpeg", "mp3"),
        (0, b"OggS", "audio/ogg", "ogg"),
        (0, b"fLaC", "audio/flac", "flac"),
    ),
    # A tar says so behind the name of its first file (POSIX.1-1988, ustar).
    "training": (
        (257, b"ustar", "application/x-tar", "tar"),
        (0, b"PK\x03\x04", "application/zip", "zip"),
    ),
}


def media_of(head: bytes, modality: str) -> tuple[str, str] | None:
    """Content type and extension of a file of this modality ("video", "audio", "training"), or None if it is none."""
    for start, mark, content_type, extension in _MARKS.get(modality, ()):
        if head[start : start + len(mark)] == mark:
            return content_type, extension
    return None
