"""What the simulators do not speak: each is refused by its name, in the answer and in one line of the log."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from azure.ai.contentsafety.aio import BlocklistClient, ContentSafetyClient
from azure.ai.contentsafety.models import AnalyzeTextOptions
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError

from replicate_simulator.content_safety import make_app
from replicate_simulator.serving import listening
from replicate_simulator_tests import contract
from replicate_simulator_tests.world import TOKEN, World

KEY = "local-key"
LOGIN = {"Authorization": f"Bearer {TOKEN}"}
PLACES = "Replicate's API is at /v1, what tests switch is at /_sim, and README.md lists both"


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines that the simulator wrote."""
    return [record.getMessage() for record in caplog.records if record.name == "replicate_simulator"]


@pytest_asyncio.fixture
async def safety() -> AsyncIterator[str]:
    """A fresh Content Safety simulator."""
    async with listening(make_app(KEY)) as listener:
        yield listener.url


@pytest.mark.parametrize(
    ("method", "path", "status", "why"),
    [
        ("GET", "/v1/pipelines", 404, PLACES),
        ("POST", "/v1/models/acme/fox/rate", 404, PLACES),
        ("GET", "/predictions", 404, PLACES),
        ("POST", "/_sim/weather", 404, PLACES),
        ("PUT", "/v1/files/abc", 405, "this path takes DELETE, GET, HEAD"),
        ("DELETE", "/v1/predictions/abc", 405, "this path takes GET, HEAD"),
    ],
)
async def test_a_request_that_is_not_spoken_is_named(
    world: World, caplog: pytest.LogCaptureFixture, method: str, path: str, status: int, why: str
) -> None:
    """One sentence with method and path, the same line in the log, and nothing is created."""
    answer = await world.http.request(method, f"{path}?token=secret", headers=LOGIN, json={})
    sentence = f"The simulator does not speak {method} {path}: {why}."
    assert answer.json() == {"title": "Not simulated", "detail": sentence, "status": status}
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (
        status,
        "application/problem+json",
    )
    assert logged(caplog) == [sentence]
    assert (await world.look("stats"))["predictions"] == 0


async def test_a_name_is_cut_and_writes_one_line(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A long path does not fill the log, and a line end in a path does not end its line."""
    await world.http.get("/v1/" + "x" * 5000, headers=LOGIN)
    await world.http.get("/v1/a%0AERROR%20forged", headers=LOGIN)
    assert [len(line) < 350 for line in logged(caplog)] == [True, True]
    assert "GET /v1/a%0AERROR%20forged" in logged(caplog)[1]


async def test_without_the_token_an_unspoken_request_is_401_as_any_other(world: World) -> None:
    """Replicate asks for the token first."""
    assert (await world.http.get("/v1/pipelines")).status_code == 401


@contract.needs_document
async def test_every_documented_operation_is_spoken_or_refused_by_name(world: World) -> None:
    """Of the 37 operations of Replicate's OpenAPI document none ends at the server's own 404 or 405."""
    operations = contract.operations()
    assert len(operations) >= 37
    unspoken = []
    for method, path in operations:
        answer = await world.http.request(method, "/v1" + re.sub(r"\{\w+\}", "none", path), headers=LOGIN)
        if answer.status_code in {404, 405}:
            shown = answer.json()
            assert "detail" in shown, f"{method} {path}"
            unspoken += [f"{method} {path}"] if shown.get("title") == "Not simulated" else []
    assert unspoken == []


@pytest.mark.parametrize(
    ("method", "path", "status", "why"),
    [
        (
            "POST",
            "/contentsafety/text:shieldPrompt",
            404,
            "text:analyze and image:analyze are spoken, under /contentsafety",
        ),
        (
            "GET",
            "/contentsafety/text/blocklists",
            404,
            "text:analyze and image:analyze are spoken, under /contentsafety",
        ),
        ("GET", "/contentsafety/text:analyze", 405, "this path takes POST"),
    ],
)
async def test_content_safety_names_what_it_does_not_speak(
    safety: str, caplog: pytest.LogCaptureFixture, method: str, path: str, status: int, why: str
) -> None:
    """In the service's own shape of an error."""
    async with httpx.AsyncClient(trust_env=False, verify=False) as http:  # no TLS here
        answer = await http.request(method, f"{safety}{path}?api-version=2024-09-01", json={})
    sentence = f"The simulator does not speak {method} {path}: {why}."
    assert answer.status_code == status
    assert answer.json() == {"error": {"code": str(status), "message": sentence, "details": []}}
    assert logged(caplog) == [sentence]


@pytest.mark.parametrize(
    ("what", "body", "why"),
    [
        ("text", {"text": "a fox", "blocklistNames": ["brands"]}, "blocklistNames: it has no blocklists"),
        (
            "text",
            {"text": "a fox", "outputType": "EightSeverityLevels"},
            "outputType: it knows the four severities 0, 2, 4 and 6 alone",
        ),
        (
            "image",
            {"image": {"blobUrl": "https://a.example/x.png"}},
            "image.blobUrl: there is no storage that it could read; send the picture as image.content",
        ),
    ],
)
async def test_content_safety_names_the_field_that_it_has_no_answer_for(
    safety: str, caplog: pytest.LogCaptureFixture, what: str, body: dict[str, object], why: str
) -> None:
    """It would be ignored otherwise, and its caller would take that for an answer."""
    async with httpx.AsyncClient(trust_env=False, verify=False) as http:  # no TLS here
        url = f"{safety}/contentsafety/{what}:analyze?api-version=2024-09-01"
        answer = await http.post(url, json=body, headers={"Ocp-Apim-Subscription-Key": KEY})
    sentence = f"The simulator does not speak {why}."
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, sentence)
    assert logged(caplog) == [sentence]


async def test_the_services_own_sdk_shows_the_sentence(safety: str) -> None:
    """In the error that it raises, for an operation and for a field."""
    async with (
        BlocklistClient(safety, AzureKeyCredential(KEY), retry_total=0) as lists,
        ContentSafetyClient(safety, AzureKeyCredential(KEY), retry_total=0) as client,
    ):
        with pytest.raises(HttpResponseError, match="does not speak GET /contentsafety/text/blocklists"):
            _ = [each async for each in lists.list_text_blocklists()]
        with pytest.raises(HttpResponseError, match="does not speak blocklistNames"):
            await client.analyze_text(AnalyzeTextOptions(text="a fox", blocklist_names=["brands"]))
