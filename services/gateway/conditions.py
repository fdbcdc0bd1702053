"""HTTP conditions on entity tags (RFC 9110 section 13). Pure."""

import re

_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def is_unchanged(if_none_match: str | None, etag: str) -> bool:
    """Whether the client has what `etag` names: `If-None-Match` says `*`, or lists it, weak or strong.

    The comparison is the weak one, as section 13.1.2 asks.
    """
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or etag.removeprefix("W/") in _TAG.findall(if_none_match)


def may_send_part(if_range: str | None, etag: str) -> bool:
    """Whether a range is answered with a part: `If-Range` is absent or is this tag, both strong (section 13.1.5)."""
    return if_range is None or (if_range.strip() == etag and not etag.startswith("W/"))
