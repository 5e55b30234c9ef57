"""The system's lock on an open file: it ends with its process, however the process ends."""

import os


def lock(number: int) -> bool:
    """Lock the open file of this descriptor. False if another process has the lock, or another opening of the file."""
    if os.name == "nt":
        import msvcrt  # noqa: PLC0415  # this system's own

        try:
            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True
    import fcntl  # noqa: PLC0415  # this system's own

    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
