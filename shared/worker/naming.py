"""The name prefix of a generation's blobs."""

import hashlib

from shared.core.keys import Key


def output_prefix(key: Key) -> str:
    """The blob name prefix of a generation, the same in the containers of outputs, inputs and refused outputs."""
    return f"{key}/"


def handed_name(name: str) -> str:
    """The name of a stored input in the provider's file store: it says nothing, and is the same whenever it is asked.

    So what was handed over for a generation can be found there and deleted.
    """
    end = name.rpartition("/")[2].rpartition(".")[2]
    return f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.{end}"
