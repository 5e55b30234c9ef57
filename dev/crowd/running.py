"""Starts Azurite and the processes of a crowd, and reads back what they have left."""

import asyncio
import multiprocessing
import os
import time
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from dev import azurite
from dev.azurite import Azurite
from dev.crowd.figures import Figures, Load, Report
from dev.crowd.process import ACCOUNT, Place, begin, dependencies
from shared import worker
from shared.adapters.azure_storage.access import StorageAccount
from shared.adapters.azure_storage.tables import TableService, TableStore
from shared.core.money.chain import Misfit
from shared.ports import Dependencies

#: Seconds to start and warm up: a base, and an addition for each process. Then all begin together.
_START_S, _START_EACH_S = 4.0, 2.0

#: The most seconds that a crowd may overrun.
_MOST_S = 180.0


async def run(load: Load) -> Figures:
    """Run a crowd on an Azurite of its own, which keeps all in memory."""
    storage = await azurite.start()
    try:
        return await crowded(load, storage)
    finally:
        await storage.stop()


async def crowded(load: Load, storage: Azurite) -> Figures:
    """Run a crowd on this Azurite, in a table of its own, and read back what it has left."""
    service = TableService(StorageAccount.by_string(storage.connection_string, "table"))
    store = TableStore(service, f"crowd{uuid4().hex}")
    try:
        await store.ensure()
        deps = dependencies(store)
        await worker.grant(deps, ACCOUNT, load.generations, grant_id="crowd")
        await worker.set_plan(deps, ACCOUNT, "premium", worker.Command(command_id="crowd"))
        figures = await _measured(load, storage, store)
        return await read_back(deps, figures)
    finally:
        await service.close()


async def _measured(load: Load, storage: Azurite, store: TableStore) -> Figures:
    """Start the processes, let them run, and collect what they have measured."""
    began_s = time.monotonic() + _START_S + _START_EACH_S * load.processes
    context = multiprocessing.get_context("spawn")
    seconds = context.Array("q", load.seconds + int(_MOST_S))
    pipes, processes = [], []
    for number in range(load.processes):
        place = Place(number, load, storage.connection_string, store.name, began_s)
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=begin, args=(place, seconds, sender), daemon=True)
        process.start()
        sender.close()  # so that a process that dies is an end of file here
        pipes.append(receiver)
        processes.append(process)
    await asyncio.sleep(max(0.0, began_s - time.monotonic()))
    cpu_s = _cpu_s(storage.child.process.pid)
    async with asyncio.timeout(load.seconds + _MOST_S):
        reports: list[Report] = await asyncio.gather(*(asyncio.to_thread(each.recv) for each in pipes))
    took_s, cpu_s = time.monotonic() - began_s, _cpu_s(storage.child.process.pid) - cpu_s
    for process in processes:
        process.join()
    served = tuple(int(each) for each in seconds[: int(took_s) + 1])
    return Figures(load=load, took_s=took_s, reports=tuple(reports), entities=served, azurite_cpu_s=cpu_s)


async def read_back(deps: Dependencies, figures: Figures) -> Figures:
    """The same with what the tables say: the audit, and a walk over the whole chain."""
    off = [str(each) async for each in worker.audit(deps, ACCOUNT)]
    walked = await worker.verify(deps, ACCOUNT)
    if isinstance(walked, Misfit):
        return replace(figures, off=(*off, f"the chain at {walked.seq}: {walked}"))
    account, _ = await deps.store.load_account(ACCOUNT)
    captured = account.captured if account else 0
    return replace(figures, off=tuple(off), captured=captured, entries=walked.entries)


def _cpu_s(pid: int) -> float:
    """The CPU seconds of a process and those below it, where the system has them (Linux), else 0."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return 0.0
    spent = (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    return spent + sum(_cpu_s(int(each)) for each in below)
