"""The package for Azure: what is in it, what is refused in it, and that its lock is of today's requirements."""

import importlib.util
import struct
import sys
from pathlib import Path

import pytest

from tests.infra.snapshots import INFRA, one

ROOT = INFRA.parent

_spec = importlib.util.spec_from_file_location("package", INFRA / "package.py")
assert _spec
assert _spec.loader
package = importlib.util.module_from_spec(_spec)
sys.modules["package"] = package
_spec.loader.exec_module(package)


def test_the_lock_is_of_the_requirements(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever changes requirements.txt makes the lock anew; a comment changes nothing."""
    first = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith(f"# For {package.ranges()}:")
    other = INFRA / "environments"
    monkeypatch.setattr(package, "ROOT", other)
    with pytest.raises(FileNotFoundError):
        package.ranges()


def test_every_package_of_the_lock_has_hashes() -> None:
    """The same bytes are installed each time; no registry's name is in it."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries = text.split("\n", 1)[1].replace("\\\n", " ").strip().splitlines()
    assert len(entries) > 20
    assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []
    assert "://" not in text


def test_it_is_built_for_what_runs_it() -> None:
    """The Python of the templates."""
    runtime = one("prod", "Microsoft.Web/sites").at("properties.functionAppConfig.runtime")
    assert runtime == {"name": "python", "version": package.PYTHON}


def test_it_has_the_app_and_nothing_else() -> None:
    """Code and data of the app; not the command line, which has packages that Azure does not."""
    names = {path.as_posix() for path in package.app_files()}
    assert {"function_app.py", "host.json", "shared/core/catalog/catalog.toml", "shared/worker/__init__.py"} <= names
    assert not [name for name in names if name.startswith("shared/cli/") or "__pycache__" in name]
    assert not [name for name in names if name.split("/")[0] not in package.APP]


def elf(machine: int) -> bytes:
    """The head of a compiled file."""
    return b"\x7fELF" + bytes(14) + struct.pack("<H", machine) + bytes(40)


@pytest.mark.parametrize(
    ("name", "content", "wrong"),
    [
        ("a/_x.cpython-313-x86_64-linux-gnu.so", elf(62), None),
        ("a/_x.abi3.so", elf(62), None),
        ("a.libs/libjpeg-1.so.62", elf(62), None),
        ("a/libs/libc2pa_c.so", elf(62), None),
        ("a/libs/libc2pa_c.so", elf(183), "is not for Linux on x86_64"),
        ("a/_x.cpython-311-x86_64-linux-gnu.so", elf(62), "is not for CPython 3.13"),
        ("a/_x.so", elf(62), "is not for CPython 3.13"),
        ("a/_x.cpython-313-x86_64-linux-gnu.so", elf(183), "is not for Linux on x86_64"),
        ("a/_x.cp313-win_amd64.pyd", b"MZ", "is not for Linux on x86_64"),
        ("x-1.dist-info/WHEEL", b"Tag: cp311-cp311-manylinux_2_28_x86_64\n", "is of cp311"),
        ("x-1.dist-info/WHEEL", b"Tag: cp313-cp313-musllinux_1_2_x86_64\n", "is of cp313-cp313-musllinux"),
        ("x-1.dist-info/WHEEL", b"Tag: cp313-cp313-manylinux_2_17_x86_64\nTag: py3-none-any\n", None),
    ],
)
def test_what_is_compiled_for_something_else_is_refused(
    tmp_path: Path, name: str, content: bytes, wrong: str | None
) -> None:
    """Another Python, another processor, another system."""
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    found = list(package.misfits(tmp_path))
    assert found == [] if wrong is None else len(found) == 1 and wrong in found[0]


def test_the_functions_are_those_of_the_app() -> None:
    """What the check compares with is read from the text of function_app.py."""
    assert {"generate", "observe", "replicate_webhook", "health"} <= package.functions()
    text = (ROOT / "function_app.py").read_text(encoding="utf-8")
    assert len(package.functions()) == text.count("@app.function_name(")


def test_unknown_arguments_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is done."""
    assert package.main(["deploy"]) == 2
    assert "usage" in capsys.readouterr().err
