"""A token is believed only if all of it is as it should be (RFC 8725); each wrong thing alone is enough."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from services.identifiers import uuid7
from services.principals.keys import Keys, made, rotated
from services.principals.principal import KINDS, SCOPES
from services.principals.tokens import AUDIENCE, ISSUER, LONGEST, InvalidToken, minted, read

KEYS = Keys((made(0.0),))
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_says_who_asks(kind: Any) -> None:
    now = datetime.now(UTC)
    name = str(uuid7()) if kind == "listener" else "anna@example.org"
    principal = read(minted(KEYS, kind, name, HOUR, now), KEYS)
    assert (principal.kind, principal.name, principal.key_id) == (kind, name, KEYS.keys[0].key_id)
    assert principal.scopes == SCOPES[kind]
    assert str(principal.listener_id) == (name if kind == "listener" else "None")


def test_both_keys_are_valid_during_a_rotation_and_the_oldest_is_not_after_it() -> None:
    now = datetime.now(UTC)
    before = minted(KEYS, "operator", "anna", HOUR, now)
    both = rotated(KEYS, now.timestamp() - 7200)
    during = minted(both, "operator", "anna", HOUR, now)
    assert read(before, both).key_id != read(during, both).key_id
    after = rotated(both, now.timestamp())
    assert read(during, after).name == "anna"
    with pytest.raises(InvalidToken):
        read(before, after)


def changed(claims: dict[str, Any], header: dict[str, Any], algorithm: str = "EdDSA", key: Any = None) -> str:
    """A token that is right but for these; a span of time is one from now."""
    now = datetime.now(UTC)
    right: dict[str, Any] = {"iss": ISSUER, "aud": AUDIENCE, "sub": "anna", "kind": "operator", "jti": "1"}
    right |= {"iat": int(now.timestamp()), "exp": HOUR} | claims
    head = {"typ": "at+jwt", "kid": KEYS.keys[0].key_id} | header
    kept = {
        name: int((now + value).timestamp()) if isinstance(value, timedelta) else value
        for name, value in right.items()
        if value is not None
    }
    return jwt.encode(kept, KEYS.keys[0].private if key is None else key, algorithm=algorithm, headers=head)


def test_the_one_that_is_changed_below_is_right() -> None:
    assert read(changed({}, {}), KEYS).name == "anna"


@pytest.mark.parametrize(
    ("claims", "header"),
    [
        ({"iss": "another"}, {}),
        ({"iss": None}, {}),
        ({"aud": "another"}, {}),
        ({"aud": [AUDIENCE, "another"]}, {}),
        ({"exp": -HOUR}, {}),
        ({"exp": None}, {}),
        ({"exp": LONGEST["operator"] + HOUR}, {}),
        ({"exp": 1e300}, {}),
        ({"iat": HOUR}, {}),
        ({"iat": None}, {}),
        ({"kind": "root"}, {}),
        ({"kind": None}, {}),
        ({"kind": ["operator"]}, {}),
        ({"kind": "listener"}, {}),
        ({"sub": ""}, {}),
        ({"sub": "a b"}, {}),
        ({"kind": "listener", "sub": "anna"}, {}),
        ({"jti": None}, {}),
        ({}, {"typ": "JWT"}),
        ({}, {"kid": "another"}),
        ({}, {"kid": ""}),
    ],
)
def test_one_wrong_thing_is_enough(claims: dict[str, Any], header: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken):
        read(changed(claims, header), KEYS)


def test_another_key_under_our_keys_name_is_not_ours() -> None:
    with pytest.raises(InvalidToken):
        read(changed({}, {}, key=made(0.0).private), KEYS)


def test_the_public_key_is_no_secret_of_an_hmac_and_no_signature_is_none() -> None:
    public = KEYS.keys[0].private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    for forged in (changed({}, {}, "HS256", public), changed({}, {}, "none", "")):
        with pytest.raises(InvalidToken):
            read(forged, KEYS)


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")) | st.from_regex(r"[\w-]+\.[\w-]+\.[\w-]*"))
def test_whatever_is_sent_is_refused_and_not_stumbled_over(token: str) -> None:
    with pytest.raises(InvalidToken):
        read(token, KEYS)


@given(st.integers(0, 400), st.characters())
def test_a_character_changed_anywhere_is_seen(at: int, other: str) -> None:
    token = changed({}, {})
    at %= len(token) - 1  # the last one has bits that mean nothing
    if token[at] == other:
        return
    with pytest.raises(InvalidToken):
        read(token[:at] + other + token[at + 1 :], KEYS)


def test_what_cannot_be_a_token_is_not_minted() -> None:
    with pytest.raises(ValueError, match="name"):
        minted(KEYS, "operator", "a\0b", HOUR, datetime.now(UTC))
    with pytest.raises(ValueError, match="at most"):
        minted(KEYS, "listener", str(uuid7()), 2 * HOUR, datetime.now(UTC))
