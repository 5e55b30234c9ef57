"""What the name of a model's input says of it, whoever calls it so: a schema, an entry of the catalogue, or a request.

Rules of this file:
1. An input that holds a secret is never sent. One that changes the model's own safety is sent only if the entry says
   so and the policy allows it. One that names weights is never free text: the model would fetch them unseen.
2. A name is read in small letters with underscores, so that ``hfApiToken`` and ``HF-API-TOKEN`` are ``hf_api_token``.
"""

import re

_SAFETY = re.compile(r"safe(ty)?(_|$)|safety|moderat|nsfw|watermark|censor", re.ASCII)
_SECRET = re.compile(
    r"(^|_)(token|tokens?_?secret|(api|access|private|secret|signing|account)_?key|apikey|secrets?|password|passwd"
    r"|passphrase|credentials?|authorization|auth|bearer|cookie)($|_)|^hf_|^wandb_",
    re.ASCII,
)
_WEIGHTS = re.compile(r"(^|_)(loras?|weights?|checkpoint|adapters?)($|_)", re.ASCII)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def _plain(name: str) -> str:
    return _HUMP.sub("_", name).lower().replace("-", "_")


def holds_secret(name: str) -> bool:
    """Whether an input of this name holds a secret."""
    return bool(_SECRET.search(_plain(name)))


def changes_safety(name: str) -> bool:
    """Whether an input of this name turns off or loosens the model's own safety, or its mark."""
    return bool(_SAFETY.search(_plain(name)))


def names_weights(name: str) -> bool:
    """Whether a text under this name may be the address of weights."""
    return bool(_WEIGHTS.search(_plain(name)))
