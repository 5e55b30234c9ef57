"""`python3 -m dev templates [--write | --if-changed]`: compiles infra/ with Microsoft's compiler, and compares.

Rules of this file:
1. A warning of the compiler is a failure, because the compiler exits 0 for most type errors.
2. ``infra/environments/NAME.snapshot.json`` is what a deployment with ``NAME.bicepparam`` makes, evaluated without
   Azure. It carries a digest of all its sources, so a stale snapshot is found without a compiler too.
3. The compiler is the one that BICEP names, or ``bicep`` on the path, or the one that ``az bicep`` has installed.
   Without a compiler the command says so, and checks the digests alone.
4. The compiler takes half a minute of CPU time. After a run without findings the command writes a stamp. With
   ``--if-changed`` it does not compile again what has that stamp, and says so. The stamp is a digest of everything that
   decides the result: each file below infra/, the compiler, this file, and the month, which a template may ask for.
   A new clone has no stamp, so CI compiles.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

INFRA = Path(__file__).resolve().parent.parent / "infra"
ENVIRONMENTS = INFRA / "environments"

#: Written after a run without findings (rule 4).
STAMP = INFRA.parent / ".local" / "templates.stamp"

#: A finding of the compiler: file(line,column) : Error|Warning CODE: text.
FINDING = re.compile(r"^.* : (?:Error|Warning) .*$", re.MULTILINE)

#: A snapshot belongs to no subscription.
OF_NOBODY = {
    "--subscription-id": "11111111-1111-1111-1111-111111111111",
    "--tenant-id": "22222222-2222-2222-2222-222222222222",
    "--location": "swedencentral",
}

#: The compiler's switch for a machine without ICU; it formats no dates here.
ENVIRONMENT = {"DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1", "NO_COLOR": "1"}

#: How many compilers run at the same time.
AT_ONCE = 2

NO_COMPILER = "No Bicep compiler here: set BICEP to one, or `az bicep install`. The templates were NOT compiled."


def compiler() -> str | None:
    """The path of a compiler; None if there is no compiler."""
    named = os.environ.get("BICEP")
    if named:
        return named
    found = shutil.which("bicep")
    if found is None and shutil.which("az"):
        of_az = Path.home() / ".azure" / "bin" / ("bicep.exe" if os.name == "nt" else "bicep")
        found = str(of_az) if of_az.exists() else None
    return found


def digest(snapshot: Path) -> str:
    """SHA-256 over all sources of a snapshot: the templates, the files that they load, and its parameters."""
    sources = [*INFRA.glob("*.bicep"), *INFRA.glob("modules/*.bicep"), INFRA / "settings.json", INFRA / "workbook.json"]
    parameters = snapshot.with_name(snapshot.name.replace(".snapshot.json", ".bicepparam"))
    total = hashlib.sha256()
    for path in [*sorted(sources), parameters]:
        total.update(f"{path.relative_to(INFRA).as_posix()}\n".encode())
        total.update(path.read_text(encoding="utf-8").encode())  # the same line ends on every system
    return total.hexdigest()


def snapshots() -> list[Path]:
    """Every snapshot that must exist: one for each parameter file."""
    return [path.with_suffix(".snapshot.json") for path in sorted(ENVIRONMENTS.glob("*.bicepparam"))]


def stamp() -> str:
    """SHA-256 over all that decides the result (rule 4). Python's caches of infra's scripts do not."""
    program = Path(shutil.which(compiler() or "") or "")
    about = program.stat()
    total = hashlib.sha256(f"{program.resolve()} {about.st_size} {about.st_mtime_ns}\n".encode())
    total.update(f"{datetime.now(UTC):%Y-%m}\n".encode())
    files = (path for path in INFRA.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    for path in (Path(__file__), *sorted(files)):
        total.update(f"{path.name if path == Path(__file__) else path.relative_to(INFRA).as_posix()}\n".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def unchanged() -> bool:
    """Whether the last run without findings saw the same files and the same compiler."""
    return STAMP.exists() and STAMP.read_text(encoding="utf-8") == stamp()


def stale() -> Iterator[str]:
    """The snapshots that were not made from the present templates."""
    for path in snapshots():
        made_of = json.loads(path.read_text(encoding="utf-8")).get("templates") if path.exists() else None
        if made_of != digest(path):
            yield f"{path.name} is stale: python3 -m dev templates --write, with a compiler, and look at the difference"


def _run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [compiler() or "bicep", *map(str, arguments)]
    # The parameters of a deployment come from the environment; here they have their defaults.
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ} | ENVIRONMENT
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=120)


def compiled() -> list[str]:
    """The compiler's findings: in the templates, in azd's files, in each environment."""
    files = ("main.bicep", "main.bicepparam", "deployer.bicep")
    with ThreadPoolExecutor(AT_ONCE) as pool:  # a call takes seconds, most of them for its start
        found = [*pool.map(built, files), *pool.map(differing, ([path] for path in snapshots()))]
    return [finding for each in found for finding in each]


def differing(paths: list[Path]) -> list[str]:
    """The snapshots that differ from the result of the templates, with the difference."""
    found = [(path, _snapshot(path, "validate")) for path in paths]
    return [f"{path.name}: {done.stdout}{done.stderr}" for path, done in found if done.returncode]


def built(name: str) -> list[str]:
    """The compiler's findings in one file and in all that it uses."""
    verb = "build-params" if name.endswith(".bicepparam") else "build"
    done = _run(verb, INFRA / name, "--stdout")
    return FINDING.findall(done.stderr) or ([done.stderr] if done.returncode else [])


def _snapshot(path: Path, mode: str) -> "subprocess.CompletedProcess[str]":
    parameters = path.with_name(path.name.replace(".snapshot.json", ".bicepparam"))
    return _run("snapshot", parameters, "--mode", mode, *(part for pair in OF_NOBODY.items() for part in pair))


def write() -> Iterator[str]:
    """Write every snapshot; returns what could not be written."""
    for path in snapshots():
        done = _snapshot(path, "overwrite")
        if done.returncode:
            yield f"{path.name}: {done.stdout}{done.stderr}"
            continue
        made = json.loads(path.read_text(encoding="utf-8"))
        made["outputs"] = dict(sorted(made["outputs"].items()))  # the compiler's own order changes from run to run
        path.write_text(json.dumps({"templates": digest(path)} | made, indent=2) + "\n", encoding="utf-8")


def main(argv: list[str]) -> int:
    """Check the templates, or write the snapshots; 0 without findings, 1 with findings, 2 for wrong arguments."""
    if argv not in ([], ["--write"], ["--if-changed"]):
        print("usage: python3 -m dev templates [--write | --if-changed]", file=sys.stderr)
        return 2
    if compiler() is None:
        print(NO_COMPILER, file=sys.stderr)
        return _said(["--write needs a compiler"] if argv == ["--write"] else list(stale()))
    if argv == ["--if-changed"] and unchanged():
        print("infra/: as it was when the compiler last found nothing; `python3 -m dev templates` compiles it again")
        return 0
    if argv == ["--write"]:
        return _said(list(write()))
    seen = stamp()  # a file that changes while the compiler runs is compiled next time
    found = [*stale(), *compiled()]
    if not found:
        STAMP.parent.mkdir(exist_ok=True)
        STAMP.write_text(seen, encoding="utf-8")
    return _said(found)


def _said(found: list[str]) -> int:
    print("\n".join(found) or "infra/: nothing found", file=sys.stderr if found else sys.stdout)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
