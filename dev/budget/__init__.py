"""`python3 -m dev budget`: many requests at once at accounts that have room for a few, and how many got through.

It starts the local stack and fires the requests over AMQP at four accounts: one is bounded by its balance, one by a
limit of the account, one by a limit of a user, one by a limit in USD. Then two documented patterns of others have as
many requests as one of these accounts (peers.py). It returns 1 if Darkroom opened one generation too many, or left a
request without an answer.
"""

import argparse
import asyncio
import time

import httpx

from dev.app import App
from dev.arguments import at_least
from dev.budget import darkroom, peers
from dev.budget.darkroom import NotDoneError
from dev.budget.figures import Figure, Load, kept, table
from dev.stack import Running

#: Darkroom's accounts; the requests are shared out among them.
_ACCOUNTS = 4

#: The longest time that the events of Darkroom may take, and each pattern.
MOST_S = 600.0


def main(argv: list[str]) -> int:
    """Fire the load and print the figures; returns 1 if Darkroom overshot, or left something unanswered."""
    parser = argparse.ArgumentParser(prog="python3 -m dev budget", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--requests", type=at_least(_ACCOUNTS), default=2000, help="in all (default 2000)")
    parser.add_argument("--senders", type=at_least(1, most=64), default=8, help="at once (default 8)")
    parser.add_argument("--room", type=at_least(0, most=1_000_000), default=37, help="of each account (default 37)")
    options = parser.parse_args(argv)
    load = Load(requests=options.requests // _ACCOUNTS, senders=options.senders, room=options.room)
    began = time.monotonic()
    try:
        figures = asyncio.run(_run(load))
    except (NotDoneError, TimeoutError) as error:
        print(f"  BROKEN: {str(error) or f'not done after {MOST_S:.0f} s'}")
        return 1
    print(table(figures))
    good = kept(figures)
    said = "Darkroom kept every bound" if good else "Darkroom BROKE a bound, or left a request unanswered"
    print(f"\n{said}; {load.senders} senders, {time.monotonic() - began:.0f} s")
    return 0 if good else 1


async def _run(load: Load) -> list[Figure]:
    async with (
        Running({"LOG_LEVEL": "WARNING"}) as stack,
        App(stack) as app,
        httpx.AsyncClient(base_url=stack.replicate_url, timeout=10) as replicate,
    ):
        for path, value in (("run_time", {"start_s": 0.1, "run_s": 0.2}), ("pictures", {"mode": "plain"})):
            (await replicate.post(f"/_sim/{path}", json=value)).raise_for_status()
        return [*await darkroom.fired(stack, app, load, MOST_S), *await peers.fired(stack, load, MOST_S)]
