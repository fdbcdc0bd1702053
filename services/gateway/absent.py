"""The answer where a listener is not there, or not within reach."""

from services.errors import ServiceError


def unknown_listener() -> ServiceError:
    """404."""
    return ServiceError(
        "unknown_listener", "No such listener.", status=404, field="listener_id", expected="the id of a listener"
    )
