"""`python3 -m dev chaos`: the real stack under load, while its processes are killed and its dependencies fail.

Every few seconds the host or the emulator is killed with SIGKILL, or Azurite is restarted. Meanwhile the Replicate
simulator loses answers and webhooks, throttles, and fails. Then the faults stop and the stack settles. The invariants
are checked against what Azurite holds. The load is bounded by --seconds, the settling by SETTLE_S.
"""

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from dev.app import App
from dev.arguments import at_least, more_than_nothing
from dev.chaos_invariants import Truth, broken
from dev.forks import forking
from dev.process import Starter
from dev.stack import LOCAL, Running, Stack
from shared import worker

#: Each prompt contains one of these words, which selects the simulator's fault. "calm" selects none.
FAULTS: dict[str, dict[str, Any]] = {
    "calm": {},
    "throttled": {"kind": "create_429", "hint": "body", "seconds": 1, "times": 12},
    "vanished": {"kind": "create_5xx_before", "times": 4},
    "lost": {"kind": "create_5xx_after", "times": 8},
    "dropped": {"kind": "create_timeout_after", "seconds": 0.2, "times": 8},
    "silent": {"kind": "webhook_lost", "times": -1},
    "doubled": {"kind": "webhook_doubled", "times": -1},
    "late": {"kind": "webhook_late", "seconds": 3, "times": -1},
    "reordered": {"kind": "webhook_reordered", "times": -1},
    "forged": {"kind": "webhook_bad_signature", "times": -1},
    "partial": {"kind": "nsfw_partial", "times": -1},
    "interrupted": {"kind": "failed", "times": -1},
    "unsafe": {"kind": "unsafe_image", "times": -1},
    "gone": {"kind": "output_404", "times": 6},
    "cut": {"kind": "output_truncated", "times": 8},
}

USERS = 4
GRANT = 1000

#: The longest time that the stack may take to settle after the last fault: two lost creates in a row, a lock, a
#: back-off.
SETTLE_S = 110

#: When a process is killed, its message is delivered again after this lock has expired.
LOCK_S = 5

#: How long a create may be in flight here. It bounds the wait for a lost create.
CANCEL_AFTER_S = 8


@dataclass(slots=True)
class Toll:
    """How often each process was killed, and the generations that were sent."""

    killed: Counter[str] = field(default_factory=Counter)
    sent: list[str] = field(default_factory=list)


def main(argv: list[str]) -> int:
    """Run the load and the faults; returns 0 if every invariant holds."""
    parser = argparse.ArgumentParser(prog="python3 -m dev chaos", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--generations", type=at_least(1), default=240, help="generations to request (default 240)")
    parser.add_argument("--seconds", type=at_least(1), default=50, help="seconds of load (default 50)")
    parser.add_argument("--every", type=more_than_nothing, default=4.0, help="seconds between two kills (default 4)")
    parser.add_argument("--seed", type=at_least(0), default=None, help="seed of the order of faults and kills")
    parser.add_argument("--fork-server", type=int, help=argparse.SUPPRESS)  # a test's, see dev/forks.py
    arguments = parser.parse_args(argv)
    seed = random.SystemRandom().randrange(10**6) if arguments.seed is None else arguments.seed
    print(f"chaos with seed {seed}: {arguments.generations} generations in {arguments.seconds} s", flush=True)
    with forking(arguments.fork_server) as starter:
        problems = asyncio.run(_chaos(arguments, random.Random(seed), starter))
    for problem in problems:
        print(f"  BROKEN: {problem}")
    print("Every invariant holds." if not problems else f"{len(problems)} invariants are broken.")
    return 1 if problems else 0


async def _chaos(arguments: argparse.Namespace, chance: random.Random, starter: Starter) -> list[str]:
    started = time.monotonic()
    LOCAL.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="chaos-", dir=LOCAL) as name:
        folder = Path(name)
        overrides = {"CATALOG_FILE": str(_impatient_catalog(folder)), "LOG_LEVEL": "INFO", "PATIENCE_S": "60"}
        running = Running(overrides, durable=folder, lock_s=LOCK_S, starter=starter)
        async with running as stack, App(stack) as app:
            await _prepare(stack)
            toll = Toll()
            load = asyncio.create_task(_load(app, toll, arguments, chance))
            await _kill_until_done(running, load, toll, arguments.every, chance)
            await load
            await _simulator(stack, "DELETE", "/_sim/faults")
            print(f"  {time.monotonic() - started:.0f} s: faults are over, settling", flush=True)
            at_rest = await _settled(stack, app, toll)
            truth = Truth(await _simulator(stack, "GET", "/_sim/predictions"), app.events, toll.sent)
            problems = [] if at_rest else [f"not at rest {SETTLE_S} s after the last fault"]
            problems += await broken(stack.app, truth)
            _report(toll, app, truth, time.monotonic() - started)
    return problems


def _impatient_catalog(folder: Path) -> Path:
    """The catalogue, with creates that Replicate cancels after seconds."""
    text = (Path(__file__).parents[1] / "shared" / "core" / "catalog" / "catalog.toml").read_text(encoding="utf-8")
    lines = [
        f"cancel_after_s = {CANCEL_AFTER_S}" if line.startswith("cancel_after_s") else line
        for line in text.splitlines()
    ]
    file = folder / "catalog.toml"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


async def _prepare(stack: Stack) -> None:
    for number in range(USERS):
        await worker.grant(stack.app.deps, f"user{number}", GRANT, grant_id="welcome")
        command = worker.Command(command_id="welcome")
        await worker.set_plan(stack.app.deps, f"user{number}", "premium", command)
    await _simulator(stack, "POST", "/_sim/pictures", {"mode": "plain"})
    for word, fault in FAULTS.items():
        if fault:
            await _simulator(stack, "POST", "/_sim/faults", fault | {"match": {"prompt_contains": word}})


async def _load(app: App, toll: Toll, arguments: argparse.Namespace, chance: random.Random) -> None:
    """Send the requests: some of them twice, some followed by a cancel."""
    words = list(FAULTS)
    pause_s = arguments.seconds / arguments.generations
    for number in range(arguments.generations):
        key = {"generation_id": f"g{number}", "user_id": f"user{number % USERS}"}
        prompt = f"A {words[number % len(words)]} lake, seen for the {number}th time"
        model = chance.choice(["flux-schnell", "flux-schnell", "flux-dev", "flux-1.1-pro"])
        outputs = chance.choice([1, 2]) if model != "flux-1.1-pro" else 1
        body = key | {"prompt": prompt, "model": model, "num_outputs": outputs}
        toll.sent.append(key["generation_id"])
        await app.send(body)
        if chance.random() < 0.1:
            await app.send(body)
        if chance.random() < 0.05:
            await app.send(key | {"type": "cancel"})
        await asyncio.sleep(pause_s)


async def _kill_until_done(
    running: Running, load: asyncio.Task[None], toll: Toll, every_s: float, chance: random.Random
) -> None:
    acts = {"host": running.kill_host, "emulator": running.kill_emulator, "azurite": running.restart_azurite}
    while not load.done():
        await asyncio.wait([load], timeout=every_s)
        if load.done():
            return
        name = chance.choices(list(acts), weights=[3, 1, 1])[0]
        toll.killed[name] += 1
        await acts[name]()
        print(f"  killed and started again: {name}", flush=True)


async def _settled(stack: Stack, app: App, toll: Toll) -> bool:
    """Wait until every generation has an event and the open index is empty; False if SETTLE_S is exceeded."""
    deadline = time.monotonic() + SETTLE_S
    wanted = set(toll.sent)
    while time.monotonic() < deadline:
        far = stack.app.deps.now().replace(year=9999)
        if wanted <= app.events.keys() and not await stack.app.index.due(far, 1):
            await asyncio.sleep(2)  # late messages may still arrive
            return True
        await asyncio.sleep(1)
    return False


async def _simulator(stack: Stack, method: str, path: str, body: Any = None) -> Any:
    async with httpx.AsyncClient() as client:
        answer = await client.request(method, stack.replicate_url + path, json=body)
        answer.raise_for_status()
        return json.loads(answer.content) if answer.content else None


def _report(toll: Toll, app: App, truth: Truth, wall_s: float) -> None:
    outcomes = Counter(events[0]["type"].rpartition(".")[2] for events in app.events.values())
    repeated = sum(len(events) - 1 for events in app.events.values())
    print(f"  {len(toll.sent)} generations, {dict(outcomes)}, {repeated} events arrived more than once")
    print(f"  kills: {dict(toll.killed)}; predictions made: {len(truth.predictions)}; {wall_s:.0f} s in all")
