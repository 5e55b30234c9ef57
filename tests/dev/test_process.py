"""Child processes: ready or a readable error, and none left behind, however the parent ends."""

import json
import signal
import sys
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob.aio import BlobServiceClient

from dev import azurite, process
from dev.process import StartError
from tests.running import all_end, runs

READY = "import json, sys, time; print(json.dumps({'ready': 'it', 'port': '7'}), flush=True); "
LIVE = "time.sleep(60)"

#: A parent that starts a child of ours and a foreign program on a leash, and prints the process ids.
FAMILY = """
import asyncio, json, sys
from dev import process
OURS = "import os, time, json; from dev.process import exit_with_stdin; exit_with_stdin(); "
FOREIGN = "import os, time, json; "
LIVE = "print(json.dumps({'ready': str(os.getpid())}), flush=True); time.sleep(60)"
async def main():
    ours = await process.start("ours", [sys.executable, "-c", OURS + LIVE])
    leash = await process.start("leash", [sys.executable, "-m", "dev.leash", sys.executable, "-c", FOREIGN + LIVE])
    pids = [int(ours.text("ready")), int(leash.text("ready")), leash.process.pid]
    print(json.dumps({"ready": "parent", "pids": pids}), flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


def _python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.mark.process
async def test_a_child_has_what_it_announced_and_stops() -> None:
    """The ready line is read, SIGTERM ends the child."""
    child = await process.start("it", _python(READY + LIVE))
    assert child.ready == {"ready": "it", "port": "7"}
    assert child.text("port") == "7"
    assert await child.stop() == -signal.SIGTERM
    assert not runs(child.process.pid)


@pytest.mark.process
async def test_a_missing_announcement_is_named() -> None:
    """Asking for what was not announced says what was."""
    child = await process.start("it", _python(READY + LIVE))
    try:
        with pytest.raises(StartError, match=r"'url'.*ready, port"):
            child.text("url")
    finally:
        await child.stop()


@pytest.mark.process
async def test_a_child_that_ends_early_is_explained_by_its_stderr() -> None:
    """The error has the exit code and the last lines."""
    with pytest.raises(StartError, match=r"it ended with exit code 3 [\s\S]*the reason"):
        await process.start("it", _python("import sys; print('the reason', file=sys.stderr); sys.exit(3)"))


@pytest.mark.process
async def test_a_child_that_is_not_ready_in_time_is_ended() -> None:
    """The error has the time, and the child does not run on."""
    code = "import os, sys, time; print(os.getpid(), file=sys.stderr, flush=True); time.sleep(60)"
    with pytest.raises(StartError, match=r"within 0\.5 s") as caught:
        await process.start("it", _python(code), timeout_s=0.5)
    assert await all_end([int(str(caught.value).split()[-1])])


@pytest.mark.process
async def test_a_child_that_ignores_sigterm_is_killed() -> None:
    """Stopping always ends."""
    child = await process.start("it", _python("import signal; signal.signal(15, signal.SIG_IGN); " + READY + LIVE))
    assert await child.stop(grace_s=0.1) == -signal.SIGKILL


@pytest.mark.process
async def test_a_talkative_child_is_never_blocked() -> None:
    """What it prints after the ready line is read on, and its stderr comes line by line, however long."""
    lines: list[str] = []
    talk = "print('x' * 300_000, flush=True); print('y' * 300_000 + '\\nlast', file=sys.stderr, flush=True)"
    child = await process.start("it", _python(READY + talk), on_stderr=lines.append)
    assert await child.wait() == 0
    await child.stop()
    assert [len(line) for line in lines] == [300_000, 4]
    assert child.stderr_tail.endswith("last")


@pytest.mark.process
async def test_sigkill_of_the_parent_leaves_no_process() -> None:
    """Children and grandchildren end though the parent could do nothing about it."""
    parent = await process.start("parent", _python(FAMILY), cwd=Path(process.__file__).parents[1])
    pids = json.loads(json.dumps(parent.ready["pids"]))
    assert all(runs(pid) for pid in pids)
    parent.process.kill()
    try:
        assert await all_end(pids)
    finally:
        await parent.stop()


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a program that its parent was killed")
async def test_sigkill_of_the_leash_ends_the_program() -> None:
    """On Linux even the leash itself may be killed."""
    code = "import os, time, json; print(json.dumps({'ready': str(os.getpid())}), flush=True); time.sleep(60)"
    leash = await process.start("leash", [sys.executable, "-m", "dev.leash", *_python(code)])
    leash.process.kill()
    try:
        assert await all_end([int(leash.text("ready"))])
    finally:
        await leash.stop()


@pytest.mark.process
async def test_the_leash_passes_the_exit_code_on() -> None:
    """A program that fails is seen to fail."""
    leash = await process.start("leash", [sys.executable, "-m", "dev.leash", *_python(READY + "sys.exit(5)")])
    assert await leash.wait() == 5
    await leash.stop()


@pytest.mark.stack
async def test_azurite_keeps_blobs_in_its_folder(tmp_path: Path) -> None:
    """Durable mode: what was stored is there after a restart; ports are free ones each time."""
    for attempt in ("stored", "kept"):
        running = await azurite.start(tmp_path)
        try:
            async with BlobServiceClient.from_connection_string(running.connection_string) as service:
                blob = service.get_blob_client("pictures", "one.png")
                if attempt == "stored":
                    await service.create_container("pictures")
                    await blob.upload_blob(b"picture")
                with pytest.raises(ResourceExistsError):
                    await blob.upload_blob(b"another")
                assert service.url.rstrip("/") == running.blob_url
        finally:
            await running.stop()
