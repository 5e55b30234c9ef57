"""The functions of the app. Whatever the real host or worker would refuse is found here and named in one error.

The rules are those of Azure/azure-functions-host (Utility.cs, FunctionMetadataManager.cs) and
Azure/azure-functions-python-worker (functions.py).
"""

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import azure.functions as func

from dev.host.settings import HostError

FUNCTION_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,127}")
ARGUMENT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,127}")  # no underscore: the real host would drop the function
RETURN = "$return"

#: The keys that a queue trigger may have here. Another key, or another value, needs a feature that is not built.
QUEUE_TRIGGER_KEYS = {"type", "direction", "name", "dataType", "connection", "queueName", "autoCompleteMessages"}


@dataclass(frozen=True, slots=True)
class Function:
    """One function; every %NAME% in its bindings is resolved."""

    name: str
    call: Callable[..., Any]
    trigger: Mapping[str, Any]
    wants_context: bool

    @property
    def kind(self) -> str:
        """The type of the trigger, such as httpTrigger."""
        return str(self.trigger["type"])


def load(folder: Path, values: Mapping[str, str]) -> tuple[Function, ...]:
    """Import `function_app.py` and index it. Raises HostError as `functions_of` does."""
    sys.path.insert(0, str(folder))
    module = importlib.import_module("function_app")
    apps = [value for value in vars(module).values() if isinstance(value, func.FunctionApp)]
    if len(apps) != 1:
        raise HostError(f"function_app.py must have exactly one FunctionApp at its top level, not {len(apps)}.")
    return functions_of(apps[0], values)


def functions_of(app: func.FunctionApp, values: Mapping[str, str]) -> tuple[Function, ...]:
    """Index an app; functions that the settings disable are left out.

    Raises:
        HostError: Everything that the real host or worker would refuse, or that this one does not support, in one
        error.
    """
    try:
        builders = app.get_functions()  # may be called once per process
    except ValueError as error:  # azure.functions' own checks, such as duplicate names
        raise HostError(f"The app cannot be indexed: {error}") from error
    problems: list[str] = []
    functions = tuple(_function(builder, values, problems) for builder in builders)
    if problems:
        raise HostError("The app cannot be indexed:\n" + "\n".join(f"- {problem}" for problem in problems))
    return tuple(f for f in functions if values.get(f"AzureWebJobs.{f.name}.Disabled", "").lower() not in {"1", "true"})


def _function(
    builder: func.decorators.function_app.Function, values: Mapping[str, str], problems: list[str]
) -> Function:
    name, call = str(builder.get_function_name()), builder.get_user_function()
    found: list[str] = []
    resolved = [_resolved(binding.get_dict_repr(), values, found) for binding in builder.get_bindings()]
    parameters = set(inspect.signature(call).parameters)
    found += _name_problems(name, resolved, parameters)
    triggers = [binding for binding in resolved if str(binding["type"]).endswith("Trigger")]
    others = [binding for binding in resolved if binding not in triggers]
    if len(triggers) != 1:
        found.append(f"it has {len(triggers)} triggers instead of one")
    for binding in triggers:
        found += _trigger_problems(binding, values)
    found += [
        f"the binding {binding['name']!r} ({binding['type']}) is not supported by the local host"
        for binding in others
        if binding["type"] != "http"  # the answer of an HTTP function
    ]
    problems += [f"function {name!r}: {problem}" for problem in found]
    return Function(name, call, triggers[0] if triggers else {"type": "none"}, "context" in parameters)


def _resolved(binding: Mapping[str, Any], values: Mapping[str, str], found: list[str]) -> dict[str, Any]:
    """The binding with each %NAME% replaced by the setting NAME, as the host does it."""

    def setting(match: re.Match[str]) -> str:
        if match[1] not in values:
            found.append(f"%{match[1]}% is not among the settings")
        return values.get(match[1], match[0])

    return {k: re.sub(r"%([^%]+)%", setting, v) if isinstance(v, str) else v for k, v in binding.items()}


def _name_problems(name: str, bindings: list[dict[str, Any]], parameters: set[str]) -> list[str]:
    names = [str(binding["name"]) for binding in bindings]
    bound = set(names) - {RETURN}
    found = [f"argument {n!r} must have letters and digits only" for n in bound if not ARGUMENT_NAME.fullmatch(n)]
    if not FUNCTION_NAME.fullmatch(name):
        found.append("its name must be letters, digits, _ and - and begin with a letter")
    if len(names) != len(set(names)):
        found.append("two of its bindings have the same name")
    found += [f"its parameter {n!r} has no binding" for n in sorted(parameters - bound - {"context"})]
    found += [f"its binding {n!r} has no parameter" for n in sorted(bound - parameters)]
    return found


def _trigger_problems(binding: Mapping[str, Any], values: Mapping[str, str]) -> list[str]:
    if binding["type"] in {"httpTrigger", "timerTrigger"}:
        return []
    if binding["type"] != "serviceBusTrigger":
        return [f"the trigger {binding['type']} is not supported by the local host"]
    found = [
        f"{key} {value!r} is not supported by the local host"
        for key, value in binding.items()
        if key not in QUEUE_TRIGGER_KEYS
        and not (key == "cardinality" and _plain(value) == "one")
        and value not in {None, False}
    ]
    if binding.get("autoCompleteMessages") is False:
        found.append("autoCompleteMessages false is not supported by the local host")
    if not values.get(str(binding["connection"])):
        found.append(f"the setting {binding['connection']!r} must hold a Service Bus connection string")
    return found


def _plain(value: object) -> str:
    """An enum of azure.functions, or a string, in the lower case of function.json."""
    return str(getattr(value, "value", value)).lower()
