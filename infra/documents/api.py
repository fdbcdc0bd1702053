"""The gateway's OpenAPI document, as its running application would serve it."""

import json
from typing import Any, cast

from services.gateway.app import create_app
from services.gateway.settings import GatewaySettings


def openapi() -> str:
    """JSON with sorted keys, so that a difference shows a change and nothing else."""
    return json.dumps(document(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def routes() -> set[str]:
    """`GET /api/...` for every operation."""
    return {
        f"{method.upper()} {path}"
        for path, operations in document()["paths"].items()
        for method in operations
        if method in {"get", "post", "put", "patch", "delete", "head"}
    }


def document() -> dict[str, Any]:
    # The application is described, not started: it needs settings and an outbox only once it runs.
    settings = GatewaySettings.model_construct(store_url="memory://", postgres_dsn="")
    return create_app(settings, cast("Any", None)).openapi()
