"""The trained version that a request names as its model, as a model of its account.

Rules of this file:
1. Its row is read with the others of the request, and only if the request names a version that is not in the catalogue.
   Any other request reads no row more.
2. Only the account's own row counts. To any other account the version is unknown, as a model that there never was.
"""

from shared.core.requests.messages import GenerationRequest
from shared.core.training.versions import version_asked_for, with_version
from shared.core.values import replace
from shared.ports import Dependencies, Loaded


async def with_own_version(deps: Dependencies, request: GenerationRequest, loaded: Loaded) -> Dependencies:
    """The dependencies with the version that a request names in their catalogue, if its account has trained it.

    The row is read if ``loaded`` was not read for this request.
    """
    name = version_asked_for(deps.catalog, request)
    if not name:
        return deps
    version = loaded.version or (await deps.store.load(request.key, name)).version
    if version is None or version.name != name:
        return deps
    if name != request.model:
        return replace(deps, own_version=name)
    return replace(deps, own_version=name, catalog=with_version(deps.catalog, name, version.entry))
