"""Sample pictures and files for the examples of the pages, served to the local stack alone.

    https://pictures.example.com/<any path>     a picture, drawn from the path: a server on loopback serves this name
    .local/samples/melody.wav, portraits.zip    a sound and an archive to upload

Rules of this file:
1. Nobody can own the name (RFC 2606).
2. The server's certificate comes from an authority made at its start, which only the local host's input fetcher trusts.
   No part of the deployed app knows this file.
"""

import argparse
import asyncio
import functools
import io
import json
import math
import random
import signal
import ssl
import struct
import sys
import wave
import zipfile
from collections.abc import Sequence
from pathlib import Path

import trustme
from aiohttp import web

from dev import process
from replicate_simulator.models import PictureFormat
from replicate_simulator.pictures import Scene, render

#: The host name in the pages' examples.
HOST = "pictures.example.com"

_SAMPLE = PictureFormat(768, 512, "jpg", 80)
_RATE = 16_000


def main(argv: Sequence[str]) -> int:
    """Serve until SIGTERM; prints the address and the authority to trust."""
    parser = argparse.ArgumentParser(prog="python -m dev.samples")
    parser.add_argument("--exit-with-stdin", action="store_true", help="stop when standard input ends")
    if parser.parse_args(argv).exit_with_stdin:
        process.exit_with_stdin()
    asyncio.run(_serve())
    return 0


async def _serve() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    app = web.Application()
    app.router.add_get("/{path:.+}", _picture)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    print(json.dumps({"ready": "samples", "port": port, "ca": authority.cert_pem.bytes().decode()}), flush=True)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await stopping.wait()
    await runner.cleanup()


async def _picture(request: web.Request) -> web.Response:
    words = Path(request.match_info["path"]).stem.replace("-", " ")[:100]
    drawn = await asyncio.to_thread(render, Scene(words, 1, 0), _SAMPLE)
    return web.Response(body=drawn, content_type="image/jpeg")


def open_to_inputs(port: int, authority: Path) -> None:
    """Let this process's input fetcher reach the samples as if on port 443, and nothing else on loopback."""
    from shared.adapters.net import input_files, public_client  # noqa: PLC0415  # the local host alone, where there are samples

    tls = ssl.create_default_context()
    tls.load_verify_locations(authority)

    async def resolve(host: str) -> Sequence[str]:
        return ["127.0.0.1"] if host == HOST else await public_client.resolve_by_system(host)

    opened = functools.partial(input_files.InputFetcher, resolve=resolve, opened={HOST: port}, tls=tls)
    vars(input_files)["InputFetcher"] = opened


def write(folder: Path) -> list[Path]:
    """Write a melody of two seconds, and ten portraits as an archive and as a folder, unless they exist."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {"melody.wav": _melody, "portraits.zip": _portraits}
    for name, make in made.items():
        if not (folder / name).exists():
            (folder / name).write_bytes(make())
    if not (folder / "portraits").exists():
        with zipfile.ZipFile(folder / "portraits.zip") as archive:
            archive.extractall(folder / "portraits")
    return [*(folder / name for name in made), folder / "portraits"]


def _melody() -> bytes:
    notes = (262, 330, 392, 523)
    samples = (
        int(9000 * math.sin(2 * math.pi * notes[moment * 2 // _RATE] * moment / _RATE)) for moment in range(2 * _RATE)
    )
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(_RATE)
        sound.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return out.getvalue()


def _portraits() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(10):
            shade = random.Random(number).choice(["sea", "desert", "snow", "forest"])
            archive.writestr(
                f"portrait-{number}.jpg", render(Scene(shade, number, 0), PictureFormat(256, 256, "jpg", 80))
            )
            archive.writestr(f"portrait-{number}.txt", f"a portrait of ADAPRT, {shade}")
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
