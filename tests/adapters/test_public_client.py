"""The client for addresses that strangers wrote, asked by whoever sends: what is refused before anything is sent."""

import pytest

from shared.adapters.net.public_client import AddressRefused, PublicClient

Asked = list[str]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://hooks.example/", "must begin with https"),
        ("https://hooks.example:8443/", "must begin with https"),
        ("https://user@hooks.example/", "must begin with https"),
        ("https://127.0.0.1/", "host cannot be used"),
        ("https://169.254.169.254/metadata", "host cannot be used"),
        ("https://[::1]/", "host cannot be used"),
        ("https://2130706433/", "host cannot be used"),
        ("https://hooks.example/", "host cannot be used"),
    ],
)
async def test_nothing_is_sent_to_what_is_not_public(url: str, why: str) -> None:
    """A body least of all; the last is a name whose second address is a private one."""
    asked: Asked = []

    async def resolve(host: str) -> list[str]:
        asked.append(host)
        return ["93.184.216.34", "10.0.0.1"]

    client = PublicClient(resolve=resolve)
    with pytest.raises(AddressRefused, match=why):
        async with client.request("POST", url, headers={}, body=b"a secret"):
            pass
    assert asked in ([], ["hooks.example"])
