"""The weights that a training makes: a small tar as the FLUX trainer packs it, the same for the same seed."""

import io
import json
import random
import struct
import tarfile
from typing import Final

_FOLDER: Final = "output/flux_train_replicate"
_NUMBERS: Final = 512


def weights(trigger_word: str, steps: int, seed: int, size_bytes: int = 0) -> bytes:
    """Returns the tar; it has at least so many bytes."""
    size = max(_NUMBERS * 2, size_bytes)
    config = f"job: extension\nconfig:\n  trigger_word: {json.dumps(trigger_word)}\n  train:\n    steps: {steps}\n"
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        _add(tar, f"{_FOLDER}/config.yaml", config.encode())
        _add(tar, f"{_FOLDER}/lora.safetensors", _safetensors(random.Random(seed).randbytes(size + size % 2)))
    return out.getvalue()


def _safetensors(numbers: bytes) -> bytes:
    """Returns a file of one tensor: the length of its head, the head, the numbers."""
    tensor = {"dtype": "F16", "shape": [len(numbers) // 2], "data_offsets": [0, len(numbers)]}
    head = json.dumps({"lora_transformer": tensor}).encode()
    return struct.pack("<Q", len(head)) + head + numbers


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)  # its time is 0: the same bytes each time
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))
