"""The name of a song from the `Content-Disposition` of its part, as browsers, apps and mail programs write it."""

import re
from email.message import Message
from typing import Final

_MOST: Final = 200
# What a browser escapes in a form (HTML standard, "multipart/form-data"), and nothing else.
_ESCAPES: Final = {"%22": '"', "%0D": "\r", "%0A": "\n"}
# Not printable by themselves, but they make one emoji of several, and words of Persian and of Indic scripts.
_JOINERS: Final = "\u200c\u200d"


def song_name(disposition: bytes) -> str:
    """The name that a header gives, without folders and what cannot be printed; `unnamed` if it gives none.

    `filename*` (RFC 5987) goes before `filename`, whose bytes are UTF-8 (RFC 7578, section 5.1).
    """
    message = Message()
    message["Content-Disposition"] = disposition.decode("latin-1")
    names = [value for name, value in message.get_params([], "Content-Disposition") if name == "filename"]
    extended = [_text(value[2]) for value in names if isinstance(value, tuple)]
    return _printable(next(iter(extended or [_unescaped(_text(value)) for value in names]), ""))


def _text(value: str) -> str:
    """Bytes, each a character of `value`, as what they are: UTF-8, or Latin-1 where they cannot be that."""
    data = value.encode("latin-1", "replace")
    try:
        return data.decode()
    except UnicodeError:
        return data.decode("latin-1")


def _unescaped(name: str) -> str:
    return re.sub("%22|%0D|%0A", lambda found: _ESCAPES[found[0].upper()], name, flags=re.IGNORECASE)


def _printable(name: str) -> str:
    kept = (
        "".join(each for each in name if each.isprintable() or each in _JOINERS).replace("\\", "/").rpartition("/")[2]
    )
    return kept[:_MOST] if kept.strip(_JOINERS + " ") else "unnamed"
