"""The environment that Replicate's own clients read."""

from collections.abc import Mapping


def client_environment(url: str, token: str) -> Mapping[str, str]:
    """Returns the variables; the JavaScript client takes the first as its option ``baseUrl``."""
    return {"REPLICATE_BASE_URL": f"{url}/v1", "REPLICATE_API_TOKEN": token}


def client_lines(url: str, token: str) -> str:
    """Returns the variables as lines for a shell."""
    return "\n".join(f"export {name}={value}" for name, value in client_environment(url, token).items())
