"""The OpenAPI document: what FastAPI sees in the code, and each refusal that an operation may answer."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from schemas.base import Problem
from schemas.events import LISTENER_EVENT
from services.gateway.access import GUARDED, OPEN

_METHODS: Final = ("get", "post", "put", "delete")
_BODY: Final = (400, 408, 413, 422)
"""What a request with a body may be answered: it is no JSON or form, too slow, too large, not as described."""
_OWN: Final[Mapping[tuple[str, str], tuple[int, ...]]] = {
    ("post", "/v1/listeners/{listener_id}/songs"): (404, 409, 415),
    ("post", "/v1/tracks"): (404,),
    ("post", "/v1/pairs"): (404, 409),
    ("post", "/v1/fours"): (404,),
    ("post", "/v1/rounds"): (404,),
    ("post", "/v1/switches"): (404,),
    ("post", "/v1/orders"): (404,),
    ("post", "/v1/releases/{release_id}/sounds"): (409,),
    ("get", "/v1/rounds/{round_id}/sources"): (409,),
    ("get", "/v1/versions"): (409,),
    ("post", "/v1/logins"): (404,),
    ("delete", "/v1/tracks/{track_id}"): (409,),
    ("get", "/v1/tracks/{track_id}/audio"): (409, 410, 416),
}


def document_of(app: FastAPI) -> dict[str, Any]:
    """The document of the public API; made once, then kept by the application."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        event = LISTENER_EVENT.json_schema(ref_template="#/components/schemas/{model}")
        schemas = document["components"]["schemas"]
        schemas |= {**event.pop("$defs"), "ListenerEvent": event, "Problem": Problem.model_json_schema()}
        for path, operations in document["paths"].items():
            for method in _METHODS:
                if method in operations and path.startswith(GUARDED):
                    _add_refusals(operations[method], method, path)
        app.openapi_schema = document
    return app.openapi_schema


def _add_refusals(operation: dict[str, Any], method: str, path: str) -> None:
    for status in sorted(set(_refusals(operation, method, path))):
        _add(operation["responses"], status)
    operation["responses"] = dict(sorted(operation["responses"].items()))


def _refusals(operation: Mapping[str, Any], method: str, path: str) -> Iterator[int]:
    yield from (401, 503, *_OWN.get((method, path), ()))
    if path not in OPEN:
        yield from (403, 429)
    if "requestBody" in operation:
        yield from _BODY
    if operation.get("parameters"):
        yield 422
    if "{" in path:
        yield 404


def _add(responses: dict[str, Any], status: int) -> None:
    problem = {"$ref": "#/components/schemas/Problem"}
    there = responses.get(str(status))
    if there is not None and "content" in there and "HTTPValidationError" not in str(there):
        described = there["content"]["application/json"]["schema"]
        there["content"]["application/json"]["schema"] = {"anyOf": [described, problem]}
    else:
        content = {"application/json": {"schema": problem}}
        responses[str(status)] = {"description": HTTPStatus(status).phrase, "content": content}
