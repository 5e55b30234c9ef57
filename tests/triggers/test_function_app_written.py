"""The text of function_app.py: what it must and must not contain."""

import ast
import re
from pathlib import Path

import function_app

SOURCE = Path(function_app.__file__)
TREE = ast.parse(SOURCE.read_text(encoding="utf-8"))


def test_it_is_short_and_imports_little() -> None:
    """It has fewer than 140 lines, and imports only the module of the app that a call needs first."""
    assert len(SOURCE.read_text(encoding="utf-8").splitlines()) < 140
    imported = {
        name
        for node in ast.walk(TREE)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    assert imported == {"azure.functions", "gc", "json", "shared.composition.invocation"}


def test_every_function_is_async_bounded_and_well_named() -> None:
    """The host drops a function whose argument has an underscore, and the worker runs a plain one in a thread."""
    functions = [node for node in TREE.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert len(functions) >= 8
    for function in functions:
        assert isinstance(function, ast.AsyncFunctionDef), function.name
        assert ast.unparse(function.decorator_list[-1]) == "bounded(LAST_RESORT_S)", function.name
        assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", argument.arg) for argument in function.args.args)
        assert function.returns is not None
        assert ast.unparse(function.returns) in {"None", "func.HttpResponse"}, function.name


def test_every_queue_trigger_is_binary_and_none_has_a_retry_policy() -> None:
    """Otherwise a body's keys would overwrite the metadata. The host has no retry policies for Service Bus."""
    calls = [node for node in ast.walk(TREE) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    triggers = [node for node in calls if ast.unparse(node.func).startswith("app.service_bus_")]
    assert len(triggers) == 6
    for trigger in triggers:
        kinds = [ast.unparse(keyword.value) for keyword in trigger.keywords if keyword.arg == "data_type"]
        assert kinds == ["_BINARY"]
    assert ast.unparse(next(n for n in TREE.body if ast.unparse(n).startswith("_BINARY"))).endswith("DataType.BINARY")
    assert not [node for node in calls if ast.unparse(node.func) == "app.retry"]
