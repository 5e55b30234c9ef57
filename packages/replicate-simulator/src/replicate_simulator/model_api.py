"""/v1: models, versions, examples, readme, collections, hardware, search.

The collections and the hardware are a small choice of the real ones, spelt as there.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiohttp import web

from replicate_simulator import problems
from replicate_simulator.api import json_object
from replicate_simulator.engine import SIMULATOR, Record
from replicate_simulator.library import Card, Version
from replicate_simulator.models import Input
from replicate_simulator.paging import paged
from replicate_simulator.problems import InvalidField, invalid
from replicate_simulator.schemas import faults_of

_PAGE: Final = 25
_MOST_FOUND: Final = 50

HARDWARE: Final[Mapping[str, str]] = {
    "cpu-small": "CPU (Small)",
    "cpu": "CPU",
    "gpu-t4": "Nvidia T4 GPU",
    "gpu-l40s": "Nvidia L40S GPU",
    "gpu-l40s-2x": "2x Nvidia L40S GPU",
    "gpu-a100-large": "Nvidia A100 (80GB) GPU",
    "gpu-a100-large-2x": "2x Nvidia A100 (80GB) GPU",
    "gpu-h100": "Nvidia H100 GPU",
}

_COLLECTIONS: Final[Mapping[str, tuple[str, str, str]]] = {
    "text-to-image": ("Generate images", "Models that generate images from text prompts", "black-forest-labs/"),
    "language-models": ("Use LLMs", "Models that can understand and generate text", "meta/"),
}

_LINKS: Final = ("description", "github_url", "paper_url", "license_url")
_CHANGES: Final[Mapping[str, Input]] = {name: Input("string") for name in (*_LINKS, "readme", "weights_url")}
_CREATE: Final[Mapping[str, Input]] = {
    **{name: Input("string") for name in (*_LINKS, "cover_image_url")},
    "owner": Input("string", required=True),
    "name": Input("string", required=True),
    "visibility": Input("string", enum=("public", "private"), required=True),
    "hardware": Input("string", enum=tuple(HARDWARE), required=True),
}


async def list_models(request: web.Request) -> web.Response:
    """GET /v1/models: the public ones, 25 to a page."""
    cards = [card for card in request.app[SIMULATOR].library.models.values() if card.visibility == "public"]
    turned = request.query.get("sort_direction", "desc") == "desc"
    return paged(request, cards[::-1] if turned else cards, _PAGE, Card.shown)


async def search_models(request: web.Request) -> web.Response:
    """QUERY /v1/models: those whose name or description holds the text, which two of the clients write in JSON."""
    text = await request.text()
    try:
        quoted = json.loads(text)
    except ValueError:
        quoted = None
    query = quoted if isinstance(quoted, str) else text
    return paged(request, list(_found(request, query))[::-1], _PAGE, Card.shown)


async def search(request: web.Request) -> web.Response:
    """GET /v1/search: models and collections."""
    query, limit = request.query.get("query", ""), request.query.get("limit", "20")
    if not query:
        return web.json_response({"detail": 'Query parameter "query" is required'}, status=400)
    if not limit.isdecimal() or not 1 <= int(limit) <= _MOST_FOUND:
        return web.json_response({"detail": 'Query parameter "limit" must be between 1 and 50'}, status=400)
    models = [
        {"model": card.shown(), "metadata": {"score": 1.0, "tags": ["simulated"], "generated_description": None}}
        for card in _found(request, query)
    ]
    collections = [_listed(slug) | {"models": None} for slug in _COLLECTIONS if query.lower() in slug]
    pages = [{"name": "Create a prediction", "href": "/docs/topics/predictions/create-a-prediction"}]
    return web.json_response(
        {"query": query, "models": models[: int(limit)], "collections": collections, "pages": pages}
    )


async def create_model(request: web.Request) -> web.Response:
    """POST /v1/models: an empty one of the account's own."""
    body = await json_object(request)
    if faults := list(faults_of("", _CREATE, body)):
        raise invalid(faults)
    library, name = request.app[SIMULATOR].library, f"{body['owner']}/{body['name']}"
    if body["owner"] != request.app[SIMULATOR].settings.username:
        raise problems.not_found()
    if name in library.models:
        raise invalid([InvalidField("unique", "name", "A model with that name and owner already exists")])
    about = {key: text for key, text in body.items() if key.endswith("_url") or key == "description"}
    card = library.add_model(name, visibility=body["visibility"], about=about)
    return web.json_response(card.shown(), status=201)


async def get_model(request: web.Request) -> web.Response:
    """GET /v1/models/{owner}/{name}."""
    return web.json_response(_card(request).shown())


async def update_model(request: web.Request) -> web.Response:
    """PATCH /v1/models/{owner}/{name}: of one's own only."""
    card, body = _own_card(request), await json_object(request)
    if faults := list(faults_of("", _CHANGES, body)):
        raise invalid(faults)
    card.about |= body
    return web.json_response(card.shown())


async def delete_model(request: web.Request) -> web.Response:
    """DELETE /v1/models/{owner}/{name}: a private one without versions."""
    card = _own_card(request)
    if card.visibility != "private" or card.versions:
        raise problems.bad_request("Only private models without versions can be deleted")
    del request.app[SIMULATOR].library.models[card.name]
    return web.Response(status=204)


async def list_examples(request: web.Request) -> web.Response:
    """GET /v1/models/{owner}/{name}/examples: the model's successes here."""
    card, simulator = _card(request), request.app[SIMULATOR]

    def is_example(record: Record) -> bool:
        simulator.settle(record)
        prediction = record.prediction
        return record.model == card.name and prediction.outputs is not None

    return paged(request, [each for each in reversed(simulator.records) if is_example(each)], _PAGE, simulator.shown)


async def get_readme(request: web.Request) -> web.Response:
    """GET /v1/models/{owner}/{name}/readme: Markdown."""
    card = _card(request)
    readme = card.about.get("readme")
    if readme is None and request.app[SIMULATOR].settings.owns(card.name):
        raise problems.not_found()
    readme = readme or f"# {card.name}\n\n{card.about.get('description', '')}\n"
    return web.Response(text=readme, content_type="text/plain")


async def list_versions(request: web.Request) -> web.Response:
    """GET /v1/models/{owner}/{name}/versions: newest first."""
    return paged(request, _card(request).versions[::-1], _PAGE, Version.shown)


async def get_version(request: web.Request) -> web.Response:
    """GET /v1/models/{owner}/{name}/versions/{id}."""
    return web.json_response(_version(request, _card(request)).shown())


async def delete_version(request: web.Request) -> web.Response:
    """DELETE /v1/models/{owner}/{name}/versions/{id}: of a private model, and not deployed."""
    card = _own_card(request)
    version = _version(request, card)
    deployments = request.app[SIMULATOR].library.deployments.values()
    if card.visibility != "private" or any(each.release.version == version.id for each in deployments):
        raise problems.bad_request("Only unused versions of private models can be deleted")
    card.versions.remove(version)
    return web.Response(status=202)


async def list_collections(_request: web.Request) -> web.Response:
    """GET /v1/collections: all on one page."""
    return web.json_response({"next": None, "previous": None, "results": [_listed(slug) for slug in _COLLECTIONS]})


async def get_collection(request: web.Request) -> web.Response:
    """GET /v1/collections/{slug}: with its models."""
    slug = request.match_info["slug"]
    if slug not in _COLLECTIONS:
        raise problems.not_found()
    cards = request.app[SIMULATOR].library.models.values()
    models = [card.shown() for card in cards if card.name.startswith(_COLLECTIONS[slug][2])]
    return web.json_response({**_listed(slug), "full_description": None, "models": models})


async def list_hardware(_request: web.Request) -> web.Response:
    """GET /v1/hardware: a bare list."""
    return web.json_response([{"sku": sku, "name": name} for sku, name in HARDWARE.items()])


def _found(request: web.Request, query: str) -> Iterable[Card]:
    for card in request.app[SIMULATOR].library.models.values():
        if card.visibility == "public" and query.lower() in f"{card.name} {card.about.get('description')}".lower():
            yield card


def _card(request: web.Request) -> Card:
    simulator = request.app[SIMULATOR]
    simulator.settle_trainings()
    card = simulator.library.models.get("{owner}/{name}".format(**request.match_info))
    if card is None or simulator.faults.lies_in_wait("model_gone", card.name):
        raise problems.not_found()
    return card


def _own_card(request: web.Request) -> Card:
    card = _card(request)
    if not request.app[SIMULATOR].settings.owns(card.name):
        raise problems.not_found()
    return card


def _version(request: web.Request, card: Card) -> Version:
    for version in card.versions:
        if version.id == request.match_info["version"]:
            return version
    raise problems.not_found()


def _listed(slug: str) -> dict[str, Any]:
    name, description, _ = _COLLECTIONS[slug]
    return {"name": name, "slug": slug, "description": description}
