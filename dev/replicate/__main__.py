"""`python -m dev.replicate`: prints one line with its address and secrets, then serves until it is told to stop."""

import argparse
import asyncio
import base64
import secrets
from collections.abc import Mapping

from dev.replicate.clock import Clock
from dev.replicate.engine import Settings, Simulator
from dev.replicate.server import make_app
from dev.replicate.serving import serve


def main() -> None:
    """Reads the command line and serves."""
    parser = argparse.ArgumentParser(prog="python -m dev.replicate", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument(
        "--token", default=f"r8_{secrets.token_hex(20)[:37]}", help="the API token (default: a new one)"
    )
    parser.add_argument("--webhook-secret", default=_new_secret(), help="whsec_... (default: a new one)")
    parser.add_argument("--time-scale", type=float, default=1.0, help="simulated seconds per second")
    parser.add_argument("--exit-with-stdin", action="store_true", help="stop when standard input ends")
    asyncio.run(_serve(parser.parse_args()))


async def _serve(options: argparse.Namespace) -> None:
    simulator = Simulator(Settings(options.token), options.webhook_secret, Clock(options.time_scale))

    def ready(url: str) -> Mapping[str, str]:
        simulator.base_url = url
        return {
            "ready": "replicate",
            "url": url,
            "token": options.token,
            "webhook_secret": options.webhook_secret,
        }

    await serve(make_app(simulator), options.port, ready, exit_with_stdin=options.exit_with_stdin)


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


if __name__ == "__main__":
    main()
