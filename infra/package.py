#!/usr/bin/env python3
"""The package that runs in Azure: built once for Python 3.13 on Linux x86_64, deployed as it is from stage to stage.

    python3 infra/package.py build dist/darkroom.zip    the app and its packages, from requirements.lock
    python3 infra/package.py check dist/darkroom.zip    unpacked alone: what is compiled fits, all functions are found
    python3 infra/package.py vendor                     the packages into this folder, for `azd up` on a laptop
    python3 infra/package.py lock                       requirements.lock anew, from the ranges of requirements.txt

Rules of this file:
1. The standard library alone, on any Python of 3.11 and newer. ``uv`` does the installing: it picks wheels for another
   Python than its own, which pip does not. Where it is not installed, it is put into a temporary folder.
2. The same lock and the same files are the same bytes: names in order, one date, no compiled files of another Python.
3. Azure installs nothing (``remoteBuild: false``): it would choose a Python and versions of its own.
"""

import compileall
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"

#: Where the Functions host looks for packages.
PACKAGES = Path(".python_packages/lib/site-packages")

#: What runs it: infra/modules/app.bicep, and the oldest Linux that its image may be.
PYTHON, PLATFORM = "3.13", "x86_64-manylinux_2_28"

UV = "uv==0.13.9"

#: The parts of the repository that are the app. .funcignore says the same to azd, and a test compares them.
APP = ("function_app.py", "host.json", "requirements.txt", "shared")
NOT_APP = {"__pycache__", "cli"}

#: The earliest time that a zip entry can have.
EPOCH = (1980, 1, 1, 0, 0, 0)

#: A compiled file for CPython 3.13 or its stable interface, as its name says it.
FITS = re.compile(r"\.(cpython-313-x86_64-linux-gnu|abi3)\.so$")

#: The tags of wheels that may be in it.
WHEEL = re.compile(r"(cp313-cp313|cp3\d+-abi3|(py2\.)?py[23]-none|cp313-none)-(any|manylinux\w+_x86_64)")

#: What ELF files begin with, and the number of x86_64 in them (man 5 elf).
ELF, X86_64 = b"\x7fELF", 62


class Wrong(Exception):  # noqa: N818  # it says what is wrong
    """The package cannot be built, or is not what it should be."""


def uv(*arguments: str | Path) -> None:
    """Run uv, which is fetched where it is not installed."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "uv"]
        environment = dict(os.environ)
        if subprocess.run([*command, "--version"], check=False, capture_output=True).returncode:  # noqa: S603  # our own
            fetch = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            if subprocess.run([*fetch, "--target", folder, UV], check=False).returncode:  # noqa: S603  # as above
                raise Wrong(f"{UV} could not be installed with {sys.executable}: see above")
            environment["PYTHONPATH"] = folder
        if subprocess.run([*command, *map(str, arguments)], env=environment, check=False).returncode:  # noqa: S603  # as above
            raise Wrong(f"uv {arguments[0]} {arguments[1]} failed: see above")


def lock() -> None:
    """Choose the newest versions within the ranges, with the hashes of all their files."""
    for_azure = ("--python-version", PYTHON, "--python-platform", PLATFORM, "--generate-hashes")
    plain = ("--no-header", "--no-annotate", "--no-emit-index-url", "--quiet")
    uv("pip", "compile", *for_azure, *plain, ROOT / "requirements.txt", "--output-file", LOCK)
    text = LOCK.read_text(encoding="utf-8")
    LOCK.write_text(f"# For {ranges()}: python3 infra/package.py lock\n{text}", encoding="utf-8")


def ranges() -> str:
    """What the lock was made for: a digest of the requirements, without their comments."""
    lines = [line.partition("#")[0].strip() for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines()]
    return hashlib.sha256("\n".join(line for line in lines if line).encode()).hexdigest()[:16]


def vendor(folder: Path) -> None:
    """Install what the lock names below a folder, as Azure's Linux and Python need it."""
    if not LOCK.read_text(encoding="utf-8").startswith(f"# For {ranges()}:"):
        raise Wrong("requirements.lock is not of these requirements.txt: python3 infra/package.py lock")
    target = folder / PACKAGES
    shutil.rmtree(target, ignore_errors=True)
    for_azure = ("--python-version", PYTHON, "--python-platform", PLATFORM, "--only-binary", ":all:")
    uv("pip", "install", "--quiet", "--target", target, *for_azure, "--require-hashes", "--no-deps", "-r", LOCK)
    shutil.rmtree(target / "bin", ignore_errors=True)  # commands, with this machine's paths in them


def app_files() -> Iterator[Path]:
    """The files of the app, relative to the project."""
    for name in APP:
        path = ROOT / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            relative = file.relative_to(ROOT)
            if file.is_file() and not NOT_APP & set(relative.parts):
                yield relative


def build(package: Path) -> None:
    """Make the package."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        vendor(folder)
        for file in app_files():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / file, folder / file)
        if f"{sys.version_info[0]}.{sys.version_info[1]}" == PYTHON:
            # The app cannot write beside its code: a file not compiled here is compiled at every cold start.
            compileall.compile_dir(folder, quiet=1, invalidation_mode=compileall.PycInvalidationMode.CHECKED_HASH)
        else:
            _say(
                f"This is Python {sys.version_info[0]}.{sys.version_info[1]}, Azure's is {PYTHON}: nothing is compiled."
            )
        package.parent.mkdir(parents=True, exist_ok=True)
        _zip(folder, package)
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    _say(f"{package}: {package.stat().st_size / 1_000_000:.1f} MB, sha256 {digest}")


def _zip(folder: Path, package: Path) -> None:
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_file() and not name.endswith((".lock", "/RECORD", "/direct_url.json", "/uv_cache.json")):
                entry = zipfile.ZipInfo(name, EPOCH)
                entry.external_attr = 0o100644 << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, path.read_bytes())


def check(package: Path) -> None:
    """Unpacks the package alone, checks its compiled files, and indexes it with Azure's own library."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with zipfile.ZipFile(package) as archive:
            archive.extractall(folder)
        wrong = list(misfits(folder))
        if wrong:
            raise Wrong("\n".join(wrong))
        found, skipped = indexed(folder)
    wanted = functions()
    if set(found) != wanted:
        raise Wrong(f"the worker finds {sorted(found)}, and function_app.py has {sorted(wanted)}")
    for name in skipped:
        _say(f"SKIPPED: {name} does not load under Python {sys.version_info[0]}.{sys.version_info[1]}")
    _say(f"{package}: every compiled file fits Python {PYTHON}, and the worker finds {len(found)} functions")


def misfits(folder: Path) -> Iterator[str]:
    """Which compiled files are for another Python, Linux or processor."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or (".so" not in path.suffixes and path.suffix not in {".pyd", ".dylib", ".dll"}):
            continue
        head = path.read_bytes()[:20]
        # A library that a wheel brings along has no Python in its name; the tag of its wheel says the rest.
        of_wheel = ".libs/" in name or path.name.startswith("lib")
        if head[:4] != ELF or int.from_bytes(head[18:20], "little") != X86_64:
            yield f"{name} is not for Linux on x86_64"
        elif not of_wheel and not FITS.search(name):
            yield f"{name} is not for CPython {PYTHON}"
    for path in sorted(folder.rglob("*.dist-info/WHEEL")):
        for tag in re.findall(r"^Tag: (\S+)$", path.read_text(encoding="utf-8"), re.MULTILINE):
            if not WHEEL.fullmatch(tag):
                yield f"{path.parent.name} is of {tag}"


def functions() -> set[str]:
    """The names of function_app.py's functions, from its text: nothing in it is imported."""
    text = (ROOT / "function_app.py").read_text(encoding="utf-8")
    return set(re.findall(r'^@app\.function_name\("(\w+)"\)$', text, re.MULTILINE))


#: Run by a Python of its own with the package and the worker's library alone: the library imports and indexes the app
#: as it does in Azure, and the answer that it would send to the host is printed. There is no protobuf here, so its
#: messages are plain objects.
INDEX = """
import asyncio, contextlib, importlib, io, json, sys
from types import SimpleNamespace
folder, library = sys.argv[1:]
sys.path[:0] = [folder, folder + "/.python_packages/lib/site-packages", library]

class Enum(type):
    def __getattr__(cls, name):
        return cls.__name__ + "." + name

class Protos:
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        numbers = {"undefined": 0, "string": 1, "binary": 2, "stream": 3}
        directions = {"in": 0, "out": 1, "inout": 2}
        kept = {**numbers, **directions, "Direction": SimpleNamespace(**directions)} if name == "BindingInfo" else {}
        made = Enum(name, (SimpleNamespace,), kept)
        setattr(self, name, made)
        return made

async def main():
    runtime = importlib.import_module("azure_functions_runtime")
    properties = {"protos": Protos(), "host": "127.0.0.1"}
    wrapped = lambda **request: SimpleNamespace(request=SimpleNamespace(**request), properties=properties)
    request = SimpleNamespace(capabilities={}, function_app_directory=folder)
    init = await runtime.worker_init_request(wrapped(worker_init_request=request))
    if init.result.status != "StatusResult.Success":
        raise SystemExit(init.result.exception.message)
    answer = await runtime.functions_metadata_request(wrapped())
    return [found.name for found in answer.function_metadata_results]

with contextlib.redirect_stdout(io.StringIO()):
    names = asyncio.run(main())
skipped = []
for name in ("httpx", "aiohttp", "PIL.Image", "azure.servicebus.aio", "azure.storage.blob.aio", "azure.identity.aio"):
    try:
        importlib.import_module(name)
    except ImportError:
        skipped.append(name)
elsewhere = [name for name, module in list(sys.modules.items())
             if "-packages" in (getattr(module, "__file__", None) or "") and not module.__file__.startswith(folder)]
print(json.dumps([names, skipped, elsewhere]))
"""


def indexed(folder: Path) -> tuple[list[str], list[str]]:
    """The functions that the worker's library finds, and the packages that this Python cannot load (compiled ones)."""
    with tempfile.TemporaryDirectory() as alone:
        shutil.copytree(worker_library(), Path(alone) / "azure_functions_runtime")
        # -I and -S: neither this project nor this machine's packages are at hand.
        command = [sys.executable, "-I", "-S", "-c", INDEX, str(folder), alone]
        done = subprocess.run(command, cwd=alone, check=False, capture_output=True, text=True, timeout=120)  # noqa: S603  # ours
    if done.returncode:
        raise Wrong(f"the worker's library cannot index it:\n{done.stderr}")
    found, skipped, elsewhere = json.loads(done.stdout)
    if elsewhere:
        raise Wrong(f"these came from this machine and not from the package: {elsewhere}")
    return found, skipped


def worker_library() -> Path:
    """The folder of Azure's worker library: this Python's, or where the set-up unpacks it for an older one."""
    spec = importlib.util.find_spec("azure_functions_runtime")
    unpacked = ROOT / ".local" / "functions-runtime" / "azure_functions_runtime"
    if spec and spec.origin:
        return Path(spec.origin).parent
    if unpacked.exists():
        return unpacked
    raise Wrong("azure-functions-runtime is not installed: python3 -m dev check sets it up")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(argv: list[str]) -> int:
    """0 done, 1 failed, 2 wrong arguments."""
    try:
        match argv:
            case ["build", package]:
                build(Path(package))
            case ["check", package]:
                check(Path(package))
            case ["vendor"]:
                vendor(ROOT)
            case ["lock"]:
                lock()
            case _:
                sys.stderr.write("usage: package.py build FILE | check FILE | vendor | lock\n")
                return 2
    except Wrong as wrong:
        sys.stderr.write(f"{wrong}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
