"""Generated requests: whatever fits or nearly fits the OpenAPI document is answered as the document says."""

import json
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from infra.documents.api import openapi
from services.gateway.routes import changes
from services.principals.principal import KINDS
from tests.services.gateway.conftest import STAFF_ROUTES, Gateway

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 6


def test_generated_requests_are_answered_as_described(
    gateway: Gateway, listener_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "LONGEST_S", 0.5)  # the first event comes at once, and no other one is waited for
    track_id = gateway.ask(listener_id)["track_id"]
    assert gateway.finished(track_id)["status"] == "ready"
    known = {"listener_id": listener_id, "track_id": track_id}
    tokens = {kind: gateway.token(kind) for kind in KINDS}

    def headers_for(path: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {tokens['operator' if STAFF_ROUTES.match(path) else 'service']}"}

    described: Any = schemathesis.openapi.from_dict(json.loads(openapi()))
    operations = [result.ok() for result in described.get_all_operations()]
    assert len(operations) > 15
    for operation in operations:

        @hypothesis.settings(
            max_examples=EXAMPLES,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
            database=None,
            derandomize=True,
        )
        @hypothesis.given(case=operation.as_strategy(), real=hypothesis.strategies.booleans())
        def ask(case: Any, real: bool) -> None:
            if real:  # random ids are of nobody
                case.path_parameters = {name: known.get(name, value) for name, value in case.path_parameters.items()}
            case.call_and_validate(base_url=gateway.url, headers=headers_for(case.operation.path), checks=CHECKS)

        ask()
