"""Every error as one `Problem` in JSON: our own, the framework's, and those of backends that are away. What is none of
these is `middleware.Observed`'s to answer."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Scope

from schemas.base import Problem
from services.errors import BackendAway, ServiceError

log = structlog.get_logger()

_OUT_OF_RANGE: Final = frozenset(
    {"greater_than", "greater_than_equal", "less_than", "less_than_equal", "too_long", "too_short", "string_too_long"}
)
_CODES: Final = {
    "missing": "missing_field",
    "extra_forbidden": "unknown_field",
    "union_tag_invalid": "unknown_type",
    "union_tag_not_found": "missing_field",
    "literal_error": "not_one_of",
    "json_invalid": "malformed_json",
    "value_error": "invalid_value",
    "string_pattern_mismatch": "invalid_value",
}
_STATUS_CODES: Final = {404: "no_such_route", 405: "method_not_allowed"}


def from_validation(error: Mapping[str, Any], request_id: str | None = None) -> Problem:
    """One of pydantic's errors (`ValidationError.errors()`) as a problem."""
    kind = str(error["type"])
    code = "out_of_range" if kind in _OUT_OF_RANGE else _CODES.get(kind, "wrong_type")
    message = str(error["msg"])
    return Problem(
        code=code, message=message, field=_field(error), expected=_expected(kind, error), request_id=request_id
    )


def _field(error: Mapping[str, Any]) -> str | None:
    if str(error["type"]) in ("union_tag_invalid", "union_tag_not_found"):
        return "type"
    parts = [str(part) for part in error["loc"] if part not in ("body", "query", "path", "header")]
    # A discriminated union puts the tag first, such as "encore.play.started".
    parts = parts[1:] if parts and parts[0].startswith("encore.") else parts
    return ".".join(parts) or None


def _expected(kind: str, error: Mapping[str, Any]) -> str:
    context = error.get("ctx") or {}
    if kind == "missing":
        return "this field"
    if kind == "extra_forbidden":
        return "no field of this name"
    if kind == "union_tag_invalid":
        return f"one of {context.get('expected_tags')}"
    if kind == "union_tag_not_found":
        return "the event's type"
    if kind == "string_pattern_mismatch":
        return f"a text that matches {context.get('pattern')}"
    text = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    return text[0].lower() + text[1:]


def rendered(
    problem: Problem, status: int, headers: Mapping[str, str] | None = None, request_id: str | None = None
) -> JSONResponse:
    body = problem.model_copy(update={"request_id": request_id}) if request_id else problem
    return JSONResponse(body.model_dump(mode="json"), status, dict(headers or {}))


def install(app: FastAPI) -> None:
    """Answers every exception of `app` with a problem."""
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)


def request_id(request: Request) -> str | None:
    return request.scope.get("encore.request_id")


async def _service_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ServiceError)
    return answered(error, request.scope)


def answered(error: ServiceError, scope: Scope) -> JSONResponse:
    """The answer that an error is."""
    scope["encore.refusal"] = error.code
    headers = {} if error.retry_after is None else {"Retry-After": str(int(error.retry_after))}
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="encore"'
    if error.status == 405:
        headers["Allow"] = error.expected or ""
    if error.status == 408:
        headers["Connection"] = "close"
    if isinstance(error, BackendAway):
        log.warning("backend_away", backend=error.backend, reason=error.message)
    return rendered(error.problem(), error.status, headers, scope.get("encore.request_id"))


def internal(scope: Scope) -> JSONResponse:
    """The answer to what should not have happened."""
    problem = Problem(code="internal", message="Something went wrong here; it has been logged.")
    return rendered(problem, 500, request_id=scope.get("encore.request_id"))


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors: Sequence[Mapping[str, Any]] = error.errors()
    first = errors[0]
    if first["type"] == "json_invalid":
        problem = Problem(code="malformed_json", message="The body is not JSON.", field="body", expected="JSON")
        return rendered(problem, 400, request_id=request_id(request))
    return rendered(from_validation(first), 422, request_id=request_id(request))


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = _STATUS_CODES.get(error.status_code, "bad_request")
    return rendered(
        Problem(code=code, message=str(error.detail)), error.status_code, error.headers, request_id(request)
    )
