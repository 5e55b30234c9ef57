"""The name prefix of a generation's blobs."""

from shared.core.keys import Key


def output_prefix(key: Key) -> str:
    """The blob name prefix of a generation, the same in the containers of outputs, inputs and refused outputs."""
    return f"{key}/"
