"""A stranger's picture server on loopback, and a stack whose host may fetch from it: see picture_app.py."""

import io
import shutil
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import trustme
from aiohttp import web
from PIL import Image

from dev import process
from dev.app import App
from dev.stack import ROOT, Running
from replicate_simulator.markers import draw_marker
from shared.adapters.net.tls import tls_context
from tests.stack.road import Ground, HostLog, Road, set_out

HOST = "pictures.example"

Answer = bytes | web.Response


@dataclass
class Pictures:
    """The server: ``files`` has the answer of each path, ``asked`` the requested paths in order."""

    port: int = 0
    files: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def put(self, path: str, answer: Answer) -> str:
        """Serve this at a path; returns its address."""
        self.files[path] = answer
        return f"https://{HOST}:{self.port}{path}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer with the file at the path."""
        self.asked.append(request.path)
        found = self.files.get(request.path, web.Response(status=404))
        if isinstance(found, bytes):
            return web.Response(body=found, content_type="image/png")
        return web.Response(status=found.status, body=found.body, headers=found.headers)


@asynccontextmanager
async def serving(authority: trustme.CA) -> AsyncIterator[Pictures]:
    """A running server; its certificate also covers its bare address, so TLS never is what refuses a request."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST, "127.0.0.1").configure_cert(context)
    pictures = Pictures()
    app = web.Application()
    app.router.add_get("/{tail:.*}", pictures.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        pictures.port = runner.addresses[0][1]
        yield pictures
    finally:
        await runner.cleanup()


class OwnApp(Running):
    """A stack whose host runs the app in a folder of the test's."""

    def __init__(
        self, ground: Ground, app: Path, overrides: dict[str, str], on_log: Callable[[str], None], lock_s: int = 30
    ) -> None:
        super().__init__(overrides, on_log=on_log, lock_s=lock_s, storage=ground.storage(), starter=ground.starter)
        self._app = app

    async def _child(
        self, name: str, module: str, *arguments: str, on_stderr: Callable[[str], None] | None = None
    ) -> process.Child:
        more = ("--app", str(self._app)) if module == "dev.host" else ()
        return await super()._child(name, module, *arguments, *more, on_stderr=on_stderr)


@asynccontextmanager
async def open_road_to(ground: Ground, pictures: Pictures, authority: trustme.CA, folder: Path) -> AsyncIterator[Road]:
    """A road on a stack of its own, whose host may fetch from this server. ``folder`` is an empty one."""
    shutil.copy(ROOT / "host.json", folder)
    shutil.copy(Path(__file__).with_name("picture_app.py"), folder / "function_app.py")
    authority.cert_pem.write_to_path(folder / "authority.pem")
    overrides = {
        "PICTURES_PORT": str(pictures.port),
        "PICTURES_CA": str(folder / "authority.pem"),
        "TEXT_HASH_KEY": "0123456789abcdef",
        "QUARANTINE_DAYS": "1",
    }
    log = HostLog()
    async with (
        OwnApp(ground, folder, overrides, log.read) as stack,
        App(stack) as app,
        httpx.AsyncClient(base_url=stack.replicate_url, timeout=10, verify=tls_context()) as replicate,
        httpx.AsyncClient(base_url=stack.content_safety_url, timeout=10, verify=tls_context()) as safety,
    ):
        await set_out(replicate)
        yield Road(stack, app, log, replicate, safety)


def painted(side: int = 128, *, noise: bool = False, unsafe: str = "") -> bytes:
    """A PNG of these pixels a side: plain, or noise that no format makes smaller; with a mark that makes it unsafe."""
    picture = Image.effect_noise((side, side), 64).convert("RGB") if noise else Image.new("RGB", (side, side), "gray")
    if unsafe:
        draw_marker(picture, unsafe, 6)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
