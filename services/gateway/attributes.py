"""Which attributes listeners may have: those that the operator declares, since each makes a cohort. Pure."""

from collections.abc import Mapping
from typing import Final

from services.errors import ServiceError

ANY: Final[frozenset[str]] = frozenset()
"""Declared without values: any value."""


def declared(text: str) -> dict[str, frozenset[str]]:
    """The attributes that a setting names, each with its values: `home;age_band=18-29|30-39`."""
    named = (each.strip().partition("=") for each in text.split(";") if each.strip())
    return {key: frozenset(values.split("|")) if values else ANY for key, _, values in named}


def require_declared(
    attributes: Mapping[str, str], known: Mapping[str, frozenset[str]], field: str = "attributes"
) -> None:
    """Passes if each attribute and its value is declared; `field` is where the request has them.

    Raises:
        ServiceError: 422 `unknown_attribute` or `unknown_value`.
    """
    for key, value in attributes.items():
        if key not in known:
            expected = f"one of {', '.join(sorted(known))}"
            raise _refused(
                "unknown_attribute", f"{key!r} is no attribute that is kept here.", f"{field}.{key}", expected
            )
        if known[key] and value not in known[key]:
            expected = f"one of {', '.join(sorted(known[key]))}"
            raise _refused("unknown_value", f"{key} has no such value here.", f"{field}.{key}", expected)


def _refused(code: str, message: str, field: str, expected: str) -> ServiceError:
    return ServiceError(code, message, status=422, field=field, expected=expected)
