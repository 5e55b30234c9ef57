"""The local stack's input from outside: local.settings.json, and a few environment variables.

Rules of this file:
1. local.settings.json is made from the example if it is missing.
2. Of the environment only the settings of Darkroom's behaviour count, and only in a person's own run. An address or a
   key left in a shell must not connect a local run to a real account.
3. Every error is one sentence.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from dev.process import StartError
from shared.config.settings import HOST_NAMES, NAMES

ROOT = Path(__file__).parents[1]
EXAMPLE, LOCAL_SETTINGS = ROOT / "local.settings.json.example", ROOT / "local.settings.json"

#: Environment settings that hold a path. It is relative to the shell's folder.
FILES = ("CATALOG_FILE", "PLANS_FILE", "MODERATION_FILE", "BLOCKLIST_FILE")

#: Environment settings of behaviour. None of them is an address or a key.
BEHAVIOUR = (
    *FILES,
    "DEFAULT_IMAGE_MODEL",
    "DEFAULT_VIDEO_MODEL",
    "DEFAULT_AUDIO_MODEL",
    "DEFAULT_TEXT_MODEL",
    "ENABLE_COST_OPTIMIZATION",
    "USE_FALLBACK",
    "REFUSE_HATE_FROM",
    "REFUSE_SELF_HARM_FROM",
    "REFUSE_SEXUAL_FROM",
    "REFUSE_VIOLENCE_FROM",
    "SCREENERS",
    "TEXT_HASH_KEY",
    "QUARANTINE_DAYS",
    "OUTPUT_LIMIT_BYTES",
    "LOG_LEVEL",
)


def local_values(file: Path | None = None) -> dict[str, str]:
    """The values of local.settings.json. StartError if it cannot be read."""
    file = file or LOCAL_SETTINGS
    if not file.exists():
        shutil.copyfile(EXAMPLE, file)
    mend = "Mend it, or delete it: it is made again from local.settings.json.example."
    try:
        values = json.loads(file.read_text(encoding="utf-8-sig"))["Values"]
        good = isinstance(values, dict) and all(isinstance(value, str) for value in values.values())
    except json.JSONDecodeError as error:
        raise StartError(f"{file} is not JSON: line {error.lineno}, column {error.colno}. {mend}") from None
    except (OSError, UnicodeDecodeError, KeyError, TypeError):
        good = False
    if not good:
        raise StartError(f'{file} must hold a JSON object with "Values": names and texts. {mend}')
    known = {name.env for name in NAMES} | set(HOST_NAMES)
    return {name: value for name, value in values.items() if name in known}


def of_environment(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """The settings of behaviour in the environment. StartError for a file that does not exist."""
    env = os.environ if env is None else env
    values = {name: env[name] for name in BEHAVIOUR if env.get(name)}
    for name in FILES:
        if name in values and not values[name].startswith("blob:"):
            path = Path(values[name]).absolute()
            if not path.is_file():
                raise StartError(f"{name}: there is no file {path}.")
            values[name] = str(path)
    return values


def real_replicate(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """The settings of the real Replicate, if the environment has its token. Its webhooks arrive at PUBLIC_URL."""
    env = os.environ if env is None else env
    if not env.get("REPLICATE_API_TOKEN"):
        return {}
    public = env.get("PUBLIC_URL", "")
    if not public:
        raise StartError(
            "REPLICATE_API_TOKEN is set, and PUBLIC_URL is not: Replicate's webhooks need an https address that leads"
            " to this machine, such as a tunnel's. Set it too, or unset the token to use the simulator."
        )
    if _is_loopback(public):
        raise StartError(
            "PUBLIC_URL leads to this machine alone, as `python3 -m dev env` sets it for a shell: open another shell,"
            " or unset REPLICATE_API_TOKEN and PUBLIC_URL. Webhooks need an https address, such as a tunnel's."
        )
    if not _is_public_url(public):
        raise StartError("PUBLIC_URL must be an https address without a path, such as https://name.example.com.")
    names = ("REPLICATE_API_TOKEN", "REPLICATE_WEBHOOK_SECRET", "PUBLIC_URL")
    return {name: env[name] for name in names if env.get(name)} | {"CHECK_AFTER_S": "20"}


def _is_loopback(text: str) -> bool:
    try:
        return urlsplit(text).hostname in {"127.0.0.1", "localhost", "::1"}
    except ValueError:
        return False


def _is_public_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    bare = not (parts.path.strip("/") or parts.query or parts.fragment or parts.username)
    return parts.scheme == "https" and bool(parts.hostname) and bare
