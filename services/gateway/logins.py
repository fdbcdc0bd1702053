"""Tokens that the gateway gives: to a service for one of its listeners, and to whoever brings the code of a login."""

import hashlib
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from schemas.api import LoginCreate, LoginView, TokenView
from services import audit
from services.audit import Actor, Kind
from services.errors import ServiceError
from services.gateway import login_codes
from services.gateway.consents import Consent
from services.gateway.store import Store
from services.postgres import load_queries
from services.principals.keys import Keys
from services.principals.principal import Principal
from services.principals.tokens import LONGEST, SESSION, minted

CODE_LIVES: Final = timedelta(hours=1)


class Logins:
    """Raises BackendAway while Postgres is away. Every code and token is in the audit, but those that renew one."""

    def __init__(self, store: Store, keys: Keys) -> None:
        """`store` within the reach of whoever asks; the gateway's own for an exchange."""
        self._store = store
        self._keys = keys
        self._queries = load_queries(Path(__file__).with_name("logins.sql"))

    async def mint(self, by: Principal, listener_id: UUID, seconds: int) -> TokenView:
        """A token for one listener, which the service hands on; it cannot be renewed."""
        token = _token(self._keys, "listener", str(listener_id), timedelta(seconds=seconds), None)
        async with self._store.transaction() as execute:
            await audit.record(execute, by.actor, "token.minted", subject=str(listener_id), seconds=seconds)
        return token

    async def make(self, by: Principal, wish: LoginCreate) -> LoginView:
        """A code that is exchanged once."""
        code, expires_at = login_codes.drawn(self._keys, time.time()), datetime.now(UTC) + CODE_LIVES
        values = {"code_sha256": digest(code), "expires_at": expires_at, "listener_id": wish.listener_id}
        values |= {"kind": wish.kind, "name": wish.name, "owner": by.name if by.kind == "service" else None}
        async with self._store.transaction() as execute:
            await execute(self._queries["add_login"], values)
            subject = wish.name if wish.listener_id is None else str(wish.listener_id)
            await audit.record(execute, by.actor, "login.made", subject=subject, kind=wish.kind)
        return LoginView(code=code, expires_at=expires_at)

    def require_ours(self, code: str) -> None:
        """Passes if the code was once given, without asking the database.

        Raises:
            ServiceError: 401 `unknown_login`.
        """
        if not login_codes.is_ours(code, self._keys):
            raise _unknown_login()

    async def exchange(self, code: str, attributes: Mapping[str, str], consent: Consent) -> TokenView:
        """The token of a login, and the listener whom it makes where it is nobody's yet.

        Raises:
            ServiceError: 401 `unknown_login`: there is no such code, it has been used, or it has ended.
        """
        async with self._store.transaction() as execute:
            found = await execute(self._queries["take_login"], {"code_sha256": digest(code)})
            if not found:
                raise _unknown_login()
            kind, name, listener_id = found[0]["kind"], found[0]["name"], found[0]["listener_id"]
            if kind == "listener" and listener_id is None:
                made = await self._store.added_listener(execute, attributes, found[0]["service"], consent)
                listener_id = made.listener_id
            token = self._session(kind, name if listener_id is None else str(listener_id))
            actor = Actor(kind, name or str(listener_id))
            await audit.record(execute, actor, "login.exchanged", subject=name or str(listener_id))
        return token

    async def renew(self, by: Principal) -> TokenView:
        """A newer token of a session that still lasts.

        Raises:
            ServiceError: 401 `session_ended`, also for a listener who was erased; 403 for a token that never could be
                renewed.
        """
        until = by.renewable_until
        if until is None:
            expected = "a token that came of a login"
            raise ServiceError(
                "forbidden", "This token cannot be renewed.", status=403, field="Authorization", expected=expected
            )
        left = until - datetime.now(UTC)
        if left <= timedelta(0) or by.listener_id is None or await self._store.listener(by.listener_id) is None:
            expected = "a new login"
            raise ServiceError(
                "session_ended", "The session has ended.", status=401, field="Authorization", expected=expected
            )
        return _token(self._keys, "listener", by.name, min(left, LONGEST["listener"]), until)

    def _session(self, kind: Kind, name: str) -> TokenView:
        until = datetime.now(UTC) + SESSION if kind == "listener" else None
        return _token(self._keys, kind, name, LONGEST[kind], until)


def _token(keys: Keys, kind: Kind, name: str, life: timedelta, until: datetime | None) -> TokenView:
    now = datetime.now(UTC)
    return TokenView(
        token=minted(keys, kind, name, life, now, renewable_until=until),
        kind=kind,
        listener_id=UUID(name) if kind == "listener" else None,
        expires_at=now + life,
        renewable_until=until,
    )


def digest(code: str) -> bytes:
    """What is kept of a code; it is drawn at random, so a plain hash is enough."""
    return hashlib.sha256(code.encode()).digest()


def _unknown_login() -> ServiceError:
    expected = "a code that was not used yet and is younger than an hour"
    return ServiceError("unknown_login", "There is no such login.", status=401, field="code", expected=expected)
