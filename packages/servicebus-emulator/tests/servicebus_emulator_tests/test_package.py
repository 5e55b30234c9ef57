"""The package has no dependencies."""

import ast
import sys
from pathlib import Path

SOURCES = sorted((Path(__file__).parents[2] / "src" / "servicebus_emulator").glob("*.py"))


def test_it_imports_the_standard_library_alone() -> None:
    """It imports only itself besides, so its installation installs nothing else."""
    imported = set()
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").partition(".")[0])
    assert "asyncio" in imported
    assert imported - sys.stdlib_module_names == {"servicebus_emulator"}
