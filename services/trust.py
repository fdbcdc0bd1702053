"""Whose certificates a client believes."""

import ssl
from pathlib import Path


def trusting(authority: Path | None) -> ssl.SSLContext | bool:
    """What httpx verifies by: those that this authority (PEM) signed, else those that the system's authorities did."""
    return True if authority is None else ssl.create_default_context(cafile=authority)
