"""Staff come to the gateway with tokens of the company's identity provider."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from pydantic import ValidationError

from services.gateway.app import create_app
from services.gateway.outbox import Outbox
from services.gateway.settings import GatewaySettings
from services.principals.keys import load
from services.principals.tokens import minted
from services.settings import read
from services.streams_memory import MemoryBroker
from tests.services.gateway.conftest import served
from tests.services.principals.provider import AUDIENCE, GROUPS, ISSUER, IdentityProvider, provider


@pytest.fixture
def issuer() -> Iterator[IdentityProvider]:
    with provider() as made:
        yield made


def told(settings: GatewaySettings, issuer: IdentityProvider) -> GatewaySettings:
    of_provider = {"oidc_issuer": ISSUER, "oidc_audience": AUDIENCE, "oidc_jwks_url": issuer.url}
    return settings.model_copy(update=of_provider | {"oidc_groups": GROUPS})


@pytest.fixture
def url(settings: GatewaySettings, broker: MemoryBroker, issuer: IdentityProvider) -> Iterator[str]:
    with served(create_app(told(settings, issuer), Outbox(broker.producer(), broker.consumer("gateway")))) as address:
        yield address


def status(url: str, path: str, token: str) -> int:
    return httpx.get(f"{url}{path}", headers={"Authorization": f"Bearer {token}"}, timeout=60).status_code


def test_a_group_opens_the_doors_of_its_kind(url: str, issuer: IdentityProvider) -> None:
    operator, analyst = issuer.token("first"), issuer.token("first", groups=["data-science"])
    assert status(url, "/v1/releases", operator) == status(url, "/v1/releases", analyst) == 200
    assert (status(url, "/v1/audit", operator), status(url, "/v1/audit", analyst)) == (200, 403)


def test_who_is_in_no_known_group_is_told_so(url: str, issuer: IdentityProvider) -> None:
    headers = {"Authorization": f"Bearer {issuer.token('first', groups=['others'])}"}
    answer = httpx.get(f"{url}/v1/releases", headers=headers, timeout=60)
    assert answer.status_code == 403
    assert answer.json()["code"] == "forbidden"


def test_a_token_that_is_wrong_is_401(url: str, issuer: IdentityProvider) -> None:
    assert status(url, "/v1/releases", issuer.token("first", aud="another")) == 401
    assert status(url, "/v1/releases", issuer.token("first", key="", algorithm="none")) == 401


def test_while_the_keys_cannot_be_had_it_is_503_and_our_own_tokens_work(
    url: str, issuer: IdentityProvider, settings: GatewaySettings
) -> None:
    issuer.status = 500
    assert status(url, "/v1/releases", issuer.token("first")) == 503
    own = minted(load(settings.keys_file), "operator", "anna", timedelta(hours=1), datetime.now(UTC))
    assert status(url, "/v1/releases", own) == 200


def test_half_a_provider_is_refused_without_showing_what_is_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {
        "POSTGRES_DSN": "postgresql://me:hush@db/x",
        "KEYS_FILE": "keys.json",
        "STORE_URL": "file:///x",
        "ARM_SALT": "hush hush hush hush",
        "OIDC_ISSUER": ISSUER,
    }.items():
        monkeypatch.setenv(f"ENCORE_{name}", value)
    with pytest.raises(SystemExit):
        read(GatewaySettings)
    said = capsys.readouterr().err
    assert "ENCORE_OIDC_ISSUER needs ENCORE_OIDC_AUDIENCE" in said
    assert "hush" not in said


@pytest.mark.parametrize("groups", ["ops", "ops=boss", "=operator", "ops=operator;"])
def test_groups_say_of_each_what_it_may(settings: GatewaySettings, groups: str) -> None:
    with pytest.raises(ValidationError, match="oidc_groups"):
        GatewaySettings(**(settings.model_dump() | {"oidc_groups": groups}))
