"""The digest of a request's content, by which a repeated request differs from another one under the same id.

Rules of this file:
1. It is made of the parsed fields as the user sent them. Absent and null are the same, and so is what the parser takes
   for absent: an empty text, and a flag's or a mapping's default, which a copy of our own writes out.
2. Unknown fields are not in it, and nothing that is beside the body: when it was deferred, how often.
3. So a field that a later version adds changes no digest that is saved.
4. It is made before anything changes the request, such as the address of our copy of a picture.
"""

import hashlib
import json
from typing import TYPE_CHECKING

from shared.core.requests.field_types import Flag, Inputs, Number
from shared.core.requests.fields import FIELDS

if TYPE_CHECKING:
    from shared.core.requests.messages import GenerationRequest


def digest_of(request: "GenerationRequest") -> str:
    """SHA-256 of the content, in hex."""
    content: dict[str, object] = {}
    for field in FIELDS:
        value = getattr(request, field.name)
        if isinstance(field.type, Flag):
            if value is not None and value is not field.type.default:
                content[field.name] = value
        elif isinstance(field.type, Number) and value is not None:
            # 3 and 3.0 are one number, and so are -0.0 and 0.0.
            content[field.name] = value if field.type.whole else value + 0.0
        elif isinstance(field.type, Inputs):
            if value:
                content[field.name] = {name: _one_number(each) for name, each in value.items()}
        elif value:
            content[field.name] = value
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _one_number(value: object) -> object:
    """A number in one form: 3 and 3.0 are one, as of our own fields. Anything else as it is."""
    return value + 0.0 if isinstance(value, (int, float)) and not isinstance(value, bool) else value
