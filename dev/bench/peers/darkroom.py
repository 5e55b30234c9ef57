"""Darkroom's own triggers, for the peers that use other adapters behind them."""

import importlib.util
import sys
from pathlib import Path

import azure.functions as func

_FILE = Path(__file__).parents[3] / "function_app.py"


def triggers() -> func.FunctionApp:
    """The FunctionApp of Darkroom's function_app.py, loaded beside the peer's own file of that name."""
    spec = importlib.util.spec_from_file_location("darkroom_function_app", _FILE)
    if spec is None or spec.loader is None:
        raise ImportError(f"{_FILE} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    app: func.FunctionApp = module.app
    return app
