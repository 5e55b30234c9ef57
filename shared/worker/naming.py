"""Where a generation's files are."""

from shared.core.keys import Key


def output_prefix(key: Key) -> str:
    """Where a generation's outputs are, within their container; its inputs and refused outputs within theirs."""
    return f"{key}/"
