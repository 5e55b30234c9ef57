"""What the host refuses at the start: every problem of an app is named at once."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from dev.host import index, settings
from dev.host.settings import HostError

VALUES = {"ServiceBus": "Endpoint=sb://localhost", "QUEUE": "q"}


async def _good(msg: func.ServiceBusMessage) -> None:
    """A function with the parameter that the triggers here bind."""


def _app(call: Callable[..., Any] = _good, **trigger: Any) -> func.FunctionApp:
    app = func.FunctionApp()
    binding = {"arg_name": "msg", "connection": "ServiceBus", "queue_name": "%QUEUE%", **trigger}
    app.function_name("one")(app.service_bus_queue_trigger(**binding)(call))
    return app


def test_names_in_percent_signs_come_from_the_settings() -> None:
    """They may stand beside other text, as for dead-letter queues."""
    (function,) = index.functions_of(_app(queue_name="%QUEUE%/$DeadLetterQueue"), VALUES)
    assert function.trigger["queueName"] == "q/$DeadLetterQueue"
    assert (function.name, function.kind, function.wants_context) == ("one", "serviceBusTrigger", False)


def test_a_disabled_function_is_left_out() -> None:
    """The setting is Azure's own."""
    assert index.functions_of(_app(), {**VALUES, "AzureWebJobs.one.Disabled": "true"}) == ()


async def _underscore(my_msg: func.ServiceBusMessage) -> None:
    """A function with a parameter name that the real host refuses."""


async def _unbound(msg: func.ServiceBusMessage, other: str) -> None:
    """A function with a parameter that no trigger fills."""


@pytest.mark.parametrize(
    ("call", "trigger", "problem"),
    [
        (_good, {"queue_name": "%NOWHERE%"}, "%NOWHERE% is not among the settings"),
        (_good, {"connection": "Other"}, "the setting 'Other' must hold a Service Bus connection string"),
        (_underscore, {"arg_name": "my_msg"}, "argument 'my_msg' must have letters and digits only"),
        (_good, {"arg_name": "elsewhere"}, "its binding 'elsewhere' has no parameter"),
        (_unbound, {}, "its parameter 'other' has no binding"),
        (_good, {"cardinality": func.Cardinality.MANY}, "cardinality .* is not supported"),
        (_good, {"is_sessions_enabled": True}, "isSessionsEnabled True is not supported"),
        (_good, {"auto_complete_messages": False}, "autoCompleteMessages false is not supported"),
    ],
)
def test_a_wrong_trigger_is_named(call: Callable[..., Any], trigger: dict[str, Any], problem: str) -> None:
    """The real host or worker would refuse it, or this host does not support it."""
    with pytest.raises(HostError, match=f"function 'one': {problem}"):
        index.functions_of(_app(call, **trigger), VALUES)


async def _two(msg: func.ServiceBusMessage, out: func.Out[str]) -> None:
    """A function with an output binding."""


def test_an_unknown_binding_is_named() -> None:
    """Output bindings to a queue are not supported, because the app sends by itself."""
    app = func.FunctionApp()
    output = app.service_bus_queue_output("out", "ServiceBus", "q")
    app.service_bus_queue_trigger("msg", "ServiceBus", "q")(output(_two))
    with pytest.raises(HostError, match=r"binding 'out' \(serviceBus\) is not supported"):
        index.functions_of(app, VALUES)


def test_two_functions_of_one_name_are_refused() -> None:
    """The real host would keep only one of them."""
    app = _app()
    app.function_name("one")(app.timer_trigger("msg", "0 * * * * *")(_good))
    with pytest.raises(HostError, match="one"):
        index.functions_of(app, VALUES)


def test_all_problems_are_reported_at_once() -> None:
    """One start of the host shows every mistake."""
    with pytest.raises(HostError) as caught:
        index.functions_of(_app(_unbound, queue_name="%NOWHERE%", connection="Other"), VALUES)
    assert str(caught.value).count("\n- ") == 3


def _read(tmp_path: Path, host: dict[str, Any], local: dict[str, Any]) -> settings.HostSettings:
    (tmp_path / "host.json").write_text(json.dumps(host), encoding="utf-8")
    (tmp_path / "local.settings.json").write_text(json.dumps(local), encoding="utf-8")
    return settings.read(tmp_path / "host.json", tmp_path / "local.settings.json")


def test_the_defaults_are_those_of_azure(tmp_path: Path) -> None:
    """They apply where host.json has no value."""
    read = _read(tmp_path, {"version": "2.0"}, {"IsEncrypted": False, "Values": {"A": 1}})
    assert (read.function_timeout_s, read.route_prefix, read.lock_renewal_s) == (1800, "api", 300)
    assert read.max_concurrent_calls % 16 == 0
    assert dict(read.values) == {"A": "1"}


def test_time_spans_are_those_of_dotnet(tmp_path: Path) -> None:
    """Days, hours and fractions are read; -1 means no limit."""
    spans = {"functionTimeout": "-1", "extensions": {"serviceBus": {"maxAutoLockRenewalDuration": "1.02:03:04.5"}}}
    read = _read(tmp_path, spans, {})
    assert read.function_timeout_s is None
    assert read.lock_renewal_s == 86400 + 2 * 3600 + 3 * 60 + 4.5


@pytest.mark.parametrize(
    ("host", "local", "problem"),
    [
        ({"functionTimeout": "5 minutes"}, {}, "no time span"),
        ({"extensions": {"serviceBus": {"prefetchCount": 8}}}, {}, "prefetchCount 0"),
        ({"extensions": {"serviceBus": {"autoCompleteMessages": False}}}, {}, "autoCompleteMessages true"),
        ({}, {"IsEncrypted": True}, "encrypted"),
    ],
)
def test_unsupported_settings_are_refused(
    tmp_path: Path, host: dict[str, Any], local: dict[str, Any], problem: str
) -> None:
    """A setting is never applied in part."""
    with pytest.raises(HostError, match=problem):
        _read(tmp_path, host, local)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The error names the file and the reason."""
    with pytest.raises(HostError, match=r"host\.json cannot be read"):
        settings.read(tmp_path / "host.json", tmp_path / "local.settings.json")
