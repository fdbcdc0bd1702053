"""Staff who come with a token of the company's own identity provider (OpenID Connect): a JWT access token (RFC 9068)
that is checked as RFC 8725 asks, and the group in it that makes its bearer an operator or an analyst."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import jwt

from services.principals.issuer_keys import ALGORITHMS, IssuerKeys
from services.principals.principal import SCOPES, Principal
from services.principals.tokens import LEEWAY, LONGEST, MOST_CHARACTERS, NAME, InvalidToken

StaffKind = Literal["operator", "analyst"]
_TYPES: Final = ("at+jwt", "application/at+jwt", "jwt")
"""Many providers have not followed RFC 9068 in naming the type; what keeps their other tokens out is the audience."""
_REQUIRED: Final = ["iss", "aud", "sub", "iat", "exp"]


class NotStaff(Exception):
    """The token is believed, and none of its bearer's groups has business here."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked of a provider's tokens.

    Attributes:
        audience: what the provider calls this API.
        groups: what a member of each group is here; who is in several is an operator if any of them says so.
        groups_claim: the claim that lists the groups.
        name_claim: the claim by which the audit names a person; it must be theirs for ever.
    """

    issuer: str
    audience: str
    groups: Mapping[str, StaffKind]
    groups_claim: str = "groups"
    name_claim: str = "sub"


class Provider:
    """Reads the tokens of one provider."""

    def __init__(self, terms: Terms, keys: IssuerKeys) -> None:
        self._terms = terms
        self._keys = keys

    def made(self, token: str) -> bool:
        """Whether a token says that this provider made it; whether it did is for `read` to find out."""
        if len(token) > MOST_CHARACTERS:
            return False
        try:
            claims = jwt.decode(token, options={"verify_signature": False})
        except jwt.PyJWTError:
            return False
        return bool(claims.get("iss") == self._terms.issuer)

    async def read(self, token: str) -> Principal:
        """The person whom a token names.

        Raises:
            InvalidToken: not the provider's, not for us, ended, or not as it should be.
            NotStaff: no group of theirs is known here.
            BackendAway: the provider's keys cannot be had.
        """
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError as error:
            raise InvalidToken("The token is not valid.") from error
        algorithm, key_id = str(header.get("alg")), str(header.get("kid"))
        if algorithm not in ALGORITHMS or str(header.get("typ", "jwt")).lower() not in _TYPES:
            raise InvalidToken("The token is of a type, or signed in a way, that is not accepted.")
        key = await self._keys.find(key_id, algorithm)
        if key is None:
            raise InvalidToken("The token was not made by the provider, or its key is no longer valid.")
        return self._principal(self._claims(token, key, algorithm), key_id)

    def _claims(self, token: str, key: jwt.PyJWK, algorithm: str) -> Mapping[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._terms.audience,
                issuer=self._terms.issuer,
                leeway=LEEWAY,
                options={"require": _REQUIRED},
            )
        except jwt.ExpiredSignatureError as error:
            raise InvalidToken("The token has ended.") from error
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
            raise InvalidToken("The token is not valid.") from error
        return claims

    def _principal(self, claims: Mapping[str, Any], key_id: str) -> Principal:
        name, groups = claims.get(self._terms.name_claim), claims.get(self._terms.groups_claim)
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise InvalidToken(f"The token's claim {self._terms.name_claim} is no name that the audit can hold.")
        listed = groups if isinstance(groups, list) else []
        kinds = {self._terms.groups.get(group) for group in listed if isinstance(group, str)}
        kind: StaffKind | None = next((kind for kind in ("operator", "analyst") if kind in kinds), None)
        if kind is None:
            raise NotStaff
        if claims["exp"] - claims["iat"] > LONGEST[kind].total_seconds():
            raise InvalidToken("The token would live too long.")
        return Principal(kind=kind, name=name, key_id=f"oidc:{key_id}"[:64], scopes=SCOPES[kind])
