"""The fork server: a forked program is what `python -m` would have started, and none outlives its parent."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev import fork_server, process
from dev.forks import ForkServer
from dev.process import StartError
from dev.stack import ROOT
from tests.running import all_end, runs, stat_of

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a fork server (dev/forks.py)"),
]

#: Says all that a program can know of how it was started, and ends when its stdin does.
PROGRAM = """
import json, os, sys, threading
from dev.process import exit_with_stdin
exit_with_stdin()
if sys.argv[1] == "fail":
    sys.exit(7)
if sys.argv[1] == "raise":
    raise ValueError("the reason")
said = {"ready": str(os.getpid()), "session": os.getsid(0), "name": __name__, "arguments": sys.argv[1:]}
said |= {"folder": os.getcwd(), "environment": dict(os.environ), "open": sorted(map(int, os.listdir("/proc/self/fd")))}
said |= {"threads": threading.active_count(), "decimal": "decimal" in sys.modules}
print("said", file=sys.stderr, flush=True)
print(json.dumps(said), flush=True)
threading.Event().wait()
"""

#: A parent that starts a program by a fork server, and prints the process ids.
FAMILY = """
import asyncio, json, sys
from dev import process
from dev.forks import ForkServer
async def main():
    with ForkServer(("decimal",)) as server:
        child = await process.start("it", [sys.executable, "-m", "program", "live"], starter=server)
        pids = [int(child.text("ready")), server.pid]
        print(json.dumps({"ready": "parent", "pids": pids}), flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ForkServer]:
    """A fork server that finds the program."""
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    with ForkServer(("decimal",)) as running:
        yield running


def command_of(*arguments: str) -> list[str]:
    """The command that starts the program."""
    return [sys.executable, "-m", "program", *arguments]


async def test_a_forked_program_is_started_as_any_other(server: ForkServer, tmp_path: Path) -> None:
    """Its arguments, environment, folder, session and streams are its own; only its modules are in memory already."""
    lines: list[str] = []
    child = await process.start(
        "it", command_of("a b", "c"), env={"ONLY": "this"}, cwd=tmp_path, on_stderr=lines.append, starter=server
    )
    said = child.ready
    pid = int(child.text("ready"))
    assert (pid, said["session"], said["name"]) == (child.process.pid, pid, "__main__")
    assert pid not in {os.getpid(), server.pid}
    assert (said["arguments"], said["folder"]) == (["a b", "c"], str(tmp_path))
    assert said["environment"] == {"ONLY": "this"}
    assert said["open"] == [0, 1, 2, 3]  # the third is the folder that it lists
    assert (said["threads"], said["decimal"]) == (2, True)
    assert await child.stop() == -signal.SIGTERM == child.process.returncode
    assert lines == ["said"]
    assert not runs(pid)


async def test_programs_are_separate(server: ForkServer) -> None:
    """One is killed, another ends when its stdin is closed, a third one lives on."""
    first, second, third = [await process.start("it", command_of(name), starter=server) for name in "abc"]
    assert len({child.process.pid for child in (first, second, third)}) == 3
    first.process.kill()
    assert await first.wait() == -signal.SIGKILL
    assert second.process.stdin is not None
    second.process.stdin.close()
    assert await second.wait() == 0
    assert third.process.returncode is None
    assert runs(third.process.pid)
    for child in (first, second, third):
        await child.stop()


async def test_a_program_that_fails_is_explained_as_any_other(server: ForkServer) -> None:
    """By its exit code, and by the last lines of its stderr."""
    with pytest.raises(StartError, match=r"it ended with exit code 7 before it was ready"):
        await process.start("it", command_of("fail"), starter=server)
    with pytest.raises(StartError, match=r"it ended with exit code 1 [\s\S]*ValueError: the reason"):
        await process.start("it", command_of("raise"), starter=server)
    with pytest.raises(ValueError, match="only `python -m MODULE` can be forked"):
        await process.start("it", [sys.executable, "-c", "pass"], starter=server)


async def test_another_process_may_share_a_server(server: ForkServer) -> None:
    """It inherits the socket, and its programs are forked by the same server; they end with their own parent."""
    script = FAMILY.replace('ForkServer(("decimal",))', "ForkServer(shared=int(sys.argv[1]))")
    script = script.replace(", server.pid]", "]")
    number = server.control.fileno()
    command = [sys.executable, "-c", script, str(number)]
    parent = await asyncio.create_subprocess_exec(*command, pass_fds=[number], cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    (pid,) = json.loads(await parent.stdout.readline())["pids"]
    assert stat_of(pid)[1] == str(server.pid)
    parent.kill()
    await parent.wait()
    assert await all_end([pid])
    child = await process.start("it", command_of("live"), starter=server)
    assert await child.stop() == -signal.SIGTERM


async def test_without_its_server_nothing_starts(server: ForkServer) -> None:
    """What it had started lives on, and counts as killed: nobody is left who knows its exit code."""
    child = await process.start("it", command_of("live"), starter=server)
    os.kill(server.pid, signal.SIGKILL)
    with pytest.raises(StartError, match="The fork server has ended"):
        await process.start("it", command_of("live"), starter=server)
    assert runs(int(child.text("ready")))
    assert await child.wait() == -signal.SIGKILL
    assert child.process.stdin is not None
    child.process.stdin.close()
    assert await all_end([child.process.pid])


async def test_sigkill_of_the_parent_leaves_no_process(server: ForkServer) -> None:
    """The server and its program end though the parent could do nothing about it."""
    parent = await process.start("parent", [sys.executable, "-c", FAMILY], cwd=ROOT)
    pids = json.loads(json.dumps(parent.ready["pids"]))
    assert all(runs(pid) for pid in pids)
    assert server.pid not in pids
    parent.process.kill()
    try:
        assert await all_end(pids)
    finally:
        await parent.stop()


def test_an_import_that_starts_a_thread_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that it holds at the fork would stay locked for ever."""
    (tmp_path / "threaded_module.py").write_text(
        "import threading\nstopping = threading.Event()\nthreading.Thread(target=stopping.wait, name='it').start()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    try:
        with pytest.raises(RuntimeError, match=r"an import has started a thread.*it"):
            fork_server.load(["threaded_module"])
    finally:
        sys.modules.pop("threaded_module").stopping.set()
