"""Tokens: what says who asks. JSON Web Tokens (RFC 7519) in the profile of RFC 9068, checked as RFC 8725 asks: one
algorithm, an explicit type, issuer and audience, an end, and a key that is named and ours."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import jwt

from services.audit import Kind
from services.principals.keys import Keys
from services.principals.principal import KINDS, SCOPES, Principal

ISSUER: Final = "encore"
AUDIENCE: Final = "encore-api"
LONGEST: Final[Mapping[Kind, timedelta]] = {
    "service": timedelta(days=90),
    "listener": timedelta(hours=1),
    "operator": timedelta(hours=12),
    "analyst": timedelta(hours=12),
    "process": timedelta(days=90),
}
"""How long a token of each kind may live; a longer one is not believed."""
SESSION: Final = timedelta(hours=12)
"""How long a listener who came by a login may renew their token."""
LEEWAY: Final = timedelta(seconds=10)
"""How far the clocks of two replicas may be apart."""

_ALGORITHM: Final = "EdDSA"
_TYPE: Final = "at+jwt"
_REQUIRED: Final = ["iss", "aud", "sub", "iat", "exp", "jti", "kind"]
MOST_CHARACTERS: Final = 4096
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._-]{0,63}")


class InvalidToken(Exception):
    """The token is not believed; the message says why, for people."""


def minted(
    keys: Keys, kind: Kind, name: str, life: timedelta, now: datetime, *, renewable_until: datetime | None = None
) -> str:
    """A signed token for a principal.

    Args:
        name: of a listener their id.
        life: at most that of `LONGEST`.
        renewable_until: for a listener whose token may be renewed.

    Raises:
        ValueError: a name that cannot be one, or a life that is too long.
    """
    if not NAME.fullmatch(name):
        raise ValueError("a name has 1 to 64 letters, digits, @ . _ - and begins with a letter or digit")
    if not timedelta(0) < life <= LONGEST[kind]:
        raise ValueError(f"a token of kind {kind} lives for at most {LONGEST[kind]}")
    key = keys.signing(now.timestamp())
    claims: dict[str, Any] = {"iss": ISSUER, "aud": AUDIENCE, "sub": name, "kind": kind, "jti": uuid4().hex}
    claims |= {"iat": int(now.timestamp()), "exp": int((now + life).timestamp())}
    if renewable_until is not None:
        claims["renewable_until"] = int(renewable_until.timestamp())
    return jwt.encode(claims, key.private, algorithm=_ALGORITHM, headers={"typ": _TYPE, "kid": key.key_id})


def read(token: str, keys: Keys) -> Principal:
    """The principal whom a token names.

    Raises:
        InvalidToken: not ours, not of this type, for somebody else, ended, or not as it should be.
    """
    if len(token) > MOST_CHARACTERS:
        raise InvalidToken("The token is too long.")
    try:
        header = jwt.get_unverified_header(token)
        key = keys.find(str(header.get("kid")))
        if header.get("typ") != _TYPE or key is None:
            raise InvalidToken("The token was not made here, or its key is no longer valid.")
        claims = jwt.decode(
            token,
            key.private.public_key(),
            algorithms=[_ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            leeway=LEEWAY,
            options={"require": _REQUIRED, "strict_aud": True},
        )
        return _principal(claims, key.key_id)
    except jwt.ExpiredSignatureError as error:
        raise InvalidToken("The token has ended.") from error
    except (jwt.PyJWTError, ValueError, OverflowError) as error:
        raise InvalidToken("The token is not valid.") from error


def _principal(claims: Mapping[str, Any], key_id: str) -> Principal:
    kind, name = claims["kind"], claims["sub"]
    if kind not in KINDS or not NAME.fullmatch(name):
        raise InvalidToken("The token names nobody.")
    if claims["exp"] - claims["iat"] > LONGEST[kind].total_seconds():
        raise InvalidToken("The token would live too long.")
    until = claims.get("renewable_until")
    return Principal(
        kind=kind,
        name=name,
        key_id=key_id,
        scopes=SCOPES[kind],
        listener_id=UUID(name) if kind == "listener" else None,
        renewable_until=None if until is None else datetime.fromtimestamp(int(until), UTC),
    )
