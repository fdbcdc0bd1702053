"""A listener has the attributes that the operator declares, and no others: each makes a cohort that is counted."""

from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from services.errors import ServiceError
from services.gateway.attributes import declared, require_declared
from services.gateway.settings import GatewaySettings
from tests.services.gateway.conftest import Gateway


@pytest.mark.parametrize("attributes", [{"email": "anna.example.org"}, {"home": "folk", "phone": "49 170"}])
def test_what_is_not_declared_is_refused_by_name(gateway: Gateway, attributes: dict[str, str]) -> None:
    code = gateway.http.post("/v1/logins", json={"kind": "listener"}).json()["code"]
    wishes: list[tuple[str, dict[str, Any]]] = [("/v1/listeners", {}), ("/v1/sessions", {"code": code})]
    for path, more in wishes:
        answer = gateway.http.post(path, json={"attributes": attributes, **more})
        body = answer.json()
        assert (answer.status_code, body["code"]) == (422, "unknown_attribute")
        assert body["field"] == f"attributes.{list(attributes)[-1]}"
        assert "home" in body["expected"]
    used = httpx.post(f"{gateway.url}/v1/sessions", json={"code": code}, timeout=60)
    assert used.status_code == 201, "a refused exchange uses no code up"


def test_values_may_be_declared_too() -> None:
    known = declared("home;age_band=18-29|30-39")
    require_declared({"home": "whatever", "age_band": "30-39"}, known)
    with pytest.raises(ServiceError) as refused:
        require_declared({"age_band": "1996-02-29"}, known)
    assert (refused.value.code, refused.value.field) == ("unknown_value", "attributes.age_band")


@pytest.mark.parametrize("text", ["", "Home", "home;", "home=", "home;;age_band", "home,age_band"])
def test_a_declaration_that_cannot_be_read_is_refused(settings: GatewaySettings, text: str) -> None:
    with pytest.raises(ValidationError):
        GatewaySettings(**{**settings.model_dump(), "cohort_attributes": text})
