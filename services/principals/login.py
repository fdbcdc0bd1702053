"""Logins for people who hold the keys: asks the gateway for a code and makes the address of a page from it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import httpx

from services.audit import Kind
from services.principals.keys import Keys
from services.principals.tokens import minted

_TOKEN_LIVES: Final = timedelta(minutes=1)
_PATIENCE_S: Final = 10.0
OPERATOR: Final = "launcher"
Staff = tuple[Literal["operator", "analyst"], str]
PAGES: Final[Mapping[Literal["operator", "analyst"], str]] = {"operator": "/operate/", "analyst": "/analyse/"}


class LoginError(Exception):
    """The gateway gave no code; the message says why."""


def login_url(
    keys: Keys, url: str, *, service: str = "encore", listener: str | None = None, staff: Staff | None = None
) -> str:
    """An address that lets in once, within an hour: to the listening page, or staff to theirs.

    Args:
        service: whose listener it is.
        listener: which one; a new one where none is named.
        staff: kind and name of who comes instead of a listener.

    Raises:
        LoginError: the gateway does not answer or refuses.
    """
    maker: tuple[Kind, str] = ("service", service) if staff is None else ("operator", OPERATOR)
    who = {"kind": "listener", "listener_id": listener} if staff is None else {"kind": staff[0], "name": staff[1]}
    token = minted(keys, *maker, _TOKEN_LIVES, datetime.now(UTC))
    headers = {"Authorization": f"Bearer {token}"}
    try:
        answer = httpx.post(f"{url}/v1/logins", json=who, headers=headers, timeout=_PATIENCE_S)
    except httpx.HTTPError as error:
        raise LoginError(f"The gateway at {url} does not answer: {error}.") from error
    if answer.is_error:
        raise LoginError(f"The gateway at {url} refuses: {answer.text[:500]}")
    code = answer.json()["code"]
    if staff is not None:
        return f"{url}{PAGES[staff[0]]}#login={code}"
    return f"{url}/#login={code}" if listener else f"{url}/#login={code}&new=1"
