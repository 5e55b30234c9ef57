"""The breakers of outputs: they count hosts and not files, and apply to no data URI."""

import pytest
from aiohttp import web

from shared.adapters.replicate.resilience.guarded import RULE
from shared.adapters.replicate.resilience.hosts import MOST_FILES, MOST_HOSTS, FileTrouble
from shared.core.dependency import Dependency
from shared.core.reasons import Reason, Refusal
from shared.ports import OutputUnfit, Unavailable
from tests.adapters.guard import World, made
from tests.adapters.replicate_clients import replicate
from tests.adapters.simulators import closed_port, drop_after_reading, raw_server, scripted
from tests.adapters.test_replicate_fetch import fetched

HOST, OTHER = "https://replicate.delivery", "https://pbxt.replicate.delivery"
DOWN = Unavailable(Dependency.REPLICATE, "an output: no answer in time")
BROKEN = FileTrouble(Dependency.REPLICATE, "an output: no whole answer")


async def fails(world: World, *uris: str) -> list[Unavailable]:
    """The trouble with each of these files."""
    troubles = []
    for uri in uris:
        with pytest.raises(Unavailable) as raised:
            await world.fetch(uri)
        troubles.append(raised.value)
    return troubles


def files(host: str = HOST, count: int = RULE.failures) -> list[str]:
    """So many files of a host."""
    return [f"{host}/{number}/out.png" for number in range(count)]


async def test_a_host_that_is_down_opens_its_circuit() -> None:
    """After files enough of it have failed; the wait is handed on, and one that is given closes it."""
    world = made()
    world.replicate.trouble = DOWN
    await fails(world, *files())
    assert world.guard.states()["outputs"] == "open"
    (trouble,) = await fails(world, f"{HOST}/another.png")
    assert (trouble.why, trouble.retry_after_s, world.replicate.asked) == ("circuit open", RULE.pause_s, RULE.failures)
    world.time[0] += RULE.pause_s
    world.replicate.trouble = None
    assert await world.fetch() == b"picture"
    assert world.guard.states()["outputs"] == "closed"


async def test_one_host_is_not_another() -> None:
    """The other host's files are fetched while the circuit of the first is open; a host's name has no case."""
    world = made()
    world.replicate.trouble = DOWN
    await fails(world, *files())
    world.replicate.trouble = None
    assert await world.fetch(f"{OTHER}/out.png") == b"picture"
    (trouble,) = await fails(world, "https://REPLICATE.delivery/out.png")
    assert trouble.why == "circuit open"


@pytest.mark.parametrize("uri", ["data:image/png;base64,AAAA", "DATA:,x"])
async def test_what_needs_no_host_is_always_fetched(uri: str) -> None:
    """Nor does it count."""
    world = made()
    world.replicate.trouble = DOWN
    await fails(world, *[uri] * 2 * RULE.failures)
    assert world.guard.states()["outputs"] == "closed"
    await fails(world, *files())
    world.replicate.trouble = None
    assert await world.fetch(uri) == b"picture"


@pytest.mark.parametrize("trouble", [BROKEN, OutputUnfit(Refusal.of(Reason.OUTPUT_EXPIRED))])
async def test_bad_files_open_no_circuit(trouble: Exception) -> None:
    """Five of one user, ten times over: the host did answer."""
    world = made()
    world.replicate.trouble = trouble
    for uri in files() * 10:
        with pytest.raises(type(trouble)):
            await world.fetch(uri)
    world.replicate.trouble = None
    world.replicate.cut_off = BROKEN
    await fails(world, *files() * 10)
    world.replicate.cut_off = None
    assert await world.fetch() == b"picture"
    assert world.guard.states()["outputs"] == "closed"


async def test_one_file_that_is_tried_again_is_one() -> None:
    """Its host gives no answer for it, five times: everybody else is served."""
    world = made()
    world.replicate.trouble = DOWN
    await fails(world, *files(count=1) * 3 * RULE.failures)
    assert world.guard.states()["outputs"] == "closed"


async def test_a_probe_that_fails_again_lengthens_the_pause() -> None:
    """Also where it is a file that failed before: while a host is down, there may be no other."""
    world = made()
    world.replicate.trouble = DOWN
    await fails(world, *files())
    world.time[0] += RULE.pause_s
    await fails(world, files()[0])
    (trouble,) = await fails(world, files()[1])
    assert (trouble.why, trouble.retry_after_s) == ("circuit open", 2 * RULE.pause_s)


async def test_another_unavailable_dependency_is_not_the_hosts_failure() -> None:
    """An exception while a file is read may come from anywhere."""
    world = made()
    world.replicate.cut_off = Unavailable(Dependency.BLOBS, "busy")
    await fails(world, *files(count=3 * RULE.failures))
    world.replicate.cut_off = ValueError("a bug")
    for uri in files(count=2 * RULE.failures):
        with pytest.raises(ValueError, match="a bug"):
            await world.fetch(uri)
    assert world.guard.states()["outputs"] == "closed"


async def test_what_is_remembered_is_bounded() -> None:
    """Of hosts and of files."""
    world = made()
    world.replicate.trouble = DOWN
    await fails(world, *[f"https://h{number}.replicate.delivery/x" for number in range(2 * MOST_HOSTS)])
    assert len(world.guard._outputs._hosts) == MOST_HOSTS
    for number in range(MOST_FILES + 10):
        world.guard._outputs._of("h")[1].add(str(number))
    assert len(world.guard._outputs._of("h")[1]) <= MOST_FILES


async def test_an_address_that_cannot_be_read_is_handed_on() -> None:
    """The adapter refuses it; no breaker raises anything else."""
    world = made()
    world.replicate.trouble = OutputUnfit(Refusal.of(Reason.OUTPUT_INVALID))
    for uri in ("https://[", "", "nonsense", "https://\ud800/"):
        with pytest.raises(OutputUnfit):
            await world.fetch(uri)


@pytest.mark.parametrize("status", [403, 500, 502, 504])
async def test_a_status_is_about_the_file(status: int) -> None:
    """A repeat may help, and the file says nothing about the others."""
    async with (
        scripted(web.Response(status=status)) as server,
        replicate(server.url, delivery_url=server.url) as adapter,
    ):
        with pytest.raises(FileTrouble):
            await fetched(adapter, f"{server.url}/out.png")


@pytest.mark.parametrize(("hint", "wait_s"), [("7", 7), ("99999", 600), ("soon", None), ("9" * 5000, None), ("", None)])
@pytest.mark.parametrize("status", [429, 503])
async def test_a_host_that_is_too_busy_says_so(status: int, hint: str, wait_s: float | None) -> None:
    """With its own idea of the pause."""
    answer = web.Response(status=status, headers={"Retry-After": hint})
    async with scripted(answer) as server, replicate(server.url, delivery_url=server.url) as adapter:
        with pytest.raises(Unavailable) as raised:
            await fetched(adapter, f"{server.url}/out.png")
    assert not isinstance(raised.value, FileTrouble)
    assert raised.value.retry_after_s == wait_s


async def test_a_host_that_is_not_reached_or_hangs_up_counts() -> None:
    """Over real sockets: no connection, and no answer."""
    async with raw_server(drop_after_reading) as url, replicate(url, delivery_url=url) as adapter:
        with pytest.raises(Unavailable) as raised:
            await fetched(adapter, f"{url}/out.png")
    assert not isinstance(raised.value, FileTrouble)
    url = await closed_port()
    async with replicate(url, delivery_url=url) as adapter:
        with pytest.raises(Unavailable) as raised:
            await fetched(adapter, f"{url}/out.png")
    assert not isinstance(raised.value, FileTrouble)
