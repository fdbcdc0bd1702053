"""The secret by which the engine knows who may call it: `Authorization: Bearer TOKEN`.

One, or several with commas between them while it is changed: the engine takes any, who calls sends the first.
"""

import hmac
from typing import Final

LEAST: Final = 16
"""Characters of a token."""


def tokens(secret: str) -> list[str]:
    """Those that are taken.

    Raises:
        ValueError: one is shorter than `LEAST`, or there is none.
    """
    found = [token.strip() for token in secret.split(",")]
    if any(len(token) < LEAST or not token.isascii() or not token.isprintable() or " " in token for token in found):
        raise ValueError(f"a token of the engine has {LEAST} printable ASCII characters or more, without spaces")
    return found


def headers(secret: str) -> dict[str, str]:
    """What a call carries; nothing where there is no secret."""
    return {"Authorization": f"Bearer {tokens(secret)[0]}"} if secret else {}


def is_known(secret: str, authorization: bytes) -> bool:
    """Whether a call's header holds one of the tokens; how long that takes tells nothing of them."""
    said = [hmac.compare_digest(authorization, b"Bearer " + token.encode()) for token in tokens(secret)]
    return any(said)
