"""Staff of the company's identity provider: a token is believed only if all of it is as it should be, and who is in no
known group may do nothing."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.errors import BackendAway
from services.principals.issuer_keys import FLOOR_S, FRESH_S, KEPT_S, IssuerKeys
from services.principals.oidc import NotStaff, Provider, Terms
from services.principals.principal import SCOPES, Principal
from services.principals.tokens import InvalidToken
from tests.services.principals.provider import AUDIENCE, ISSUER, IdentityProvider, elliptic, provider

TERMS = Terms(ISSUER, AUDIENCE, {"music-ops": "operator", "data-science": "analyst"})


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def issuer() -> Iterator[IdentityProvider]:
    with provider() as made:
        yield made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def read(issuer: IdentityProvider, clock: Clock) -> Iterator[Callable[[str], Principal]]:
    reader = Provider(TERMS, IssuerKeys(issuer.url, clock))
    with asyncio.Runner() as runner:
        yield lambda token: runner.run(reader.read(token))


@pytest.mark.parametrize(
    ("groups", "kind"),
    [(["music-ops"], "operator"), (["data-science", "all"], "analyst"), (["data-science", "music-ops"], "operator")],
)
def test_a_group_says_what_somebody_may_do(
    issuer: IdentityProvider, read: Callable[[str], Principal], groups: list[str], kind: Any
) -> None:
    somebody = read(issuer.token("first", groups=groups))
    assert (somebody.kind, somebody.name, somebody.key_id) == (kind, "anna", "oidc:first")
    assert somebody.scopes == SCOPES[kind]


@pytest.mark.parametrize("groups", [None, [], ["others"], [1], "music-ops", {"music-ops": 1}])
def test_who_is_in_no_known_group_is_not_staff(
    issuer: IdentityProvider, read: Callable[[str], Principal], groups: Any
) -> None:
    with pytest.raises(NotStaff):
        read(issuer.token("first", groups=groups))


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example.org"},
        {"iss": None},
        {"aud": "another"},
        {"aud": None},
        {"aud": ["another"]},
        {"sub": None},
        {"sub": "a b"},
        {"sub": "x" * 65},
        {"iat": None},
        {"exp": None},
        {"exp": timedelta(minutes=-5)},
        {"exp": timedelta(days=2)},
        {"nbf": timedelta(hours=1)},
        {"typ": "id+jwt"},
    ],
)
def test_one_wrong_claim_is_enough(
    issuer: IdentityProvider, read: Callable[[str], Principal], claims: dict[str, Any]
) -> None:
    with pytest.raises(InvalidToken):
        read(issuer.token("first", **claims))


def test_one_of_several_audiences_may_be_ours(issuer: IdentityProvider, read: Callable[[str], Principal]) -> None:
    assert read(issuer.token("first", aud=[AUDIENCE, "another"], typ="JWT")).name == "anna"


def test_a_token_without_a_signature_is_refused(issuer: IdentityProvider, read: Callable[[str], Principal]) -> None:
    with pytest.raises(InvalidToken):
        read(issuer.token("first", key="", algorithm="none"))


def test_the_public_key_is_no_secret(issuer: IdentityProvider, read: Callable[[str], Principal]) -> None:
    head, body, _ = issuer.token("first").split(".")
    changed = _part({"alg": "HS256", "kid": "first", "typ": "at+jwt"})
    secret = issuer.keys["first"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signature = hmac.new(secret, f"{changed}.{body}".encode(), hashlib.sha256).digest()
    forged = f"{changed}.{body}.{jwt.utils.base64url_encode(signature).decode()}"
    assert head != changed
    with pytest.raises(InvalidToken):
        read(forged)


def test_somebody_elses_key_under_a_known_name_is_refused(
    issuer: IdentityProvider, read: Callable[[str], Principal]
) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.raises(InvalidToken):
        read(issuer.token("first", key=other))


def test_a_key_is_used_for_its_own_algorithm_only(issuer: IdentityProvider, read: Callable[[str], Principal]) -> None:
    issuer.add("second", elliptic())
    assert read(issuer.token("second", algorithm="ES256")).key_id == "oidc:second"
    with pytest.raises(InvalidToken):
        read(issuer.token("first", key=issuer.keys["second"], algorithm="ES256"))


def test_a_symmetric_key_in_the_set_is_of_no_use(issuer: IdentityProvider, read: Callable[[str], Principal]) -> None:
    issuer.body = json.dumps({"keys": [{"kty": "oct", "kid": "first", "k": "c2VjcmV0" * 8}, 7]}).encode()
    with pytest.raises(InvalidToken):
        read(issuer.token("first"))


def test_keys_are_read_once_and_a_new_one_is_found(
    issuer: IdentityProvider, read: Callable[[str], Principal], clock: Clock
) -> None:
    for _ in range(3):
        read(issuer.token("first"))
    assert issuer.asked == 1
    issuer.add("second")
    clock.now = FLOOR_S
    assert read(issuer.token("second")).key_id == "oidc:second"
    assert issuer.asked == 2


def test_names_of_keys_that_are_made_up_do_not_flood_the_provider(
    issuer: IdentityProvider, read: Callable[[str], Principal], clock: Clock
) -> None:
    for number in range(20):
        issuer.keys[f"made-up-{number}"] = issuer.keys["first"]
        token = issuer.token(f"made-up-{number}")
        del issuer.keys[f"made-up-{number}"]
        with pytest.raises(InvalidToken):
            read(token)
    assert issuer.asked == 1
    clock.now = FLOOR_S
    with pytest.raises(InvalidToken):
        read(token)
    assert issuer.asked == 2


def test_a_key_that_was_withdrawn_is_not_believed_for_longer_than_keys_are_fresh(
    issuer: IdentityProvider, read: Callable[[str], Principal], clock: Clock
) -> None:
    token = issuer.token("first")
    read(token)
    issuer.add("second")
    del issuer.keys["first"]
    clock.now = FRESH_S + 1
    with pytest.raises(InvalidToken):
        read(token)


@pytest.mark.parametrize(("status", "body"), [(500, None), (200, b"[]"), (200, b"not json"), (200, b"x" * 300_000)])
def test_while_the_provider_is_away_its_keys_are_kept_but_not_for_ever(
    issuer: IdentityProvider, read: Callable[[str], Principal], clock: Clock, status: int, body: bytes | None
) -> None:
    token = issuer.token("first")
    read(token)
    issuer.status, issuer.body = status, body
    clock.now = KEPT_S - 1
    assert read(token).name == "anna"
    clock.now = KEPT_S + FLOOR_S
    with pytest.raises(BackendAway):
        read(token)
    issuer.status, issuer.body = 200, None
    clock.now += FLOOR_S
    assert read(token).name == "anna"


def test_many_who_come_at_once_read_the_keys_once(issuer: IdentityProvider, clock: Clock) -> None:
    reader = Provider(TERMS, IssuerKeys(issuer.url, clock))

    async def together() -> list[Principal]:
        return await asyncio.gather(*[reader.read(issuer.token("first")) for _ in range(20)])

    assert {each.name for each in asyncio.run(together())} == {"anna"}
    assert issuer.asked == 1


def test_whose_token_it_says_it_is_decides_who_reads_it(issuer: IdentityProvider) -> None:
    reader = Provider(TERMS, IssuerKeys(issuer.url))
    assert reader.made(issuer.token("first"))
    assert not reader.made(issuer.token("first", iss="encore"))
    assert not reader.made("not a token")
    assert not reader.made(issuer.token("first", more="x" * 5000))


def _part(header: dict[str, str]) -> str:
    return jwt.utils.base64url_encode(json.dumps(header).encode()).decode()
