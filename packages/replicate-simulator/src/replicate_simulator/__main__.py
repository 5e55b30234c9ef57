"""`python -m replicate_simulator`: prints a line with its address and secrets, then serves until a signal stops it."""

import argparse
import asyncio
import base64
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from replicate_simulator.catalog import read_catalog
from replicate_simulator.clock import Clock
from replicate_simulator.engine import Settings, Simulator
from replicate_simulator.server import make_app
from replicate_simulator.serving import Listener, serve
from replicate_simulator.unspoken import log_to_stderr

#: A model that there is from the beginning, for a training's version: the account's name and this.
_DESTINATION: Final = "portraits"


def main() -> None:
    """Reads the command line and serves."""
    parser = argparse.ArgumentParser(prog="python -m replicate_simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument(
        "--token", default=f"r8_{secrets.token_hex(20)[:37]}", help="the API token (default: a new one)"
    )
    parser.add_argument("--webhook-secret", default=_new_secret(), help="whsec_... (default: a new one)")
    parser.add_argument("--time-scale", type=float, default=1.0, help="simulated seconds per second")
    parser.add_argument(
        "--username", default="local", help="the account's name, which owns its models (default: local)"
    )
    parser.add_argument("--catalog", type=Path, help="more models, in TOML (README.md has the form)")
    parser.add_argument(
        "--destination",
        action="append",
        default=[],
        help="a model of the account's own for trainings (may be repeated)",
    )
    parser.add_argument("--exit-with-stdin", action="store_true", help="stop when standard input ends")
    options = parser.parse_args()
    log_to_stderr()
    asyncio.run(_serve(options))


async def _serve(options: argparse.Namespace) -> None:
    catalog = read_catalog(options.catalog.read_text(encoding="utf-8")) if options.catalog else None
    settings = Settings(options.token, options.username)
    simulator = Simulator(settings, options.webhook_secret, Clock(options.time_scale), catalog)
    for name in (_DESTINATION, *options.destination):
        simulator.library.add_model(f"{options.username}/{name}", visibility="private", about={})

    def ready(url: str) -> Mapping[str, str]:
        simulator.base_url = url
        return {
            "ready": "replicate",
            "url": url,
            "token": options.token,
            "webhook_secret": options.webhook_secret,
        }

    def opened(listener: Listener) -> None:
        simulator.listener = listener

    stdin = options.exit_with_stdin
    await serve(make_app(simulator), options.port, ready, exit_with_stdin=stdin, opened=opened)


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


if __name__ == "__main__":
    main()
