"""A promise that must hold, and what is raised when it does not."""


class Broken(BaseException):
    """An invariant does not hold; the text says which, and for whom. No ``Exception``: nobody may swallow it."""


def require(holds: object, promise: str, whose: object) -> None:
    """Raise Broken unless the promise holds."""
    if not holds:
        raise Broken(f"{promise}: {whose}")
