"""What can go wrong in a service that a caller can act on. All of them pickle.

A wrong call inside our own code is a `ValueError`, not one of these.
"""

from schemas.base import Problem

RETRY_AFTER_S = 2


class ServiceError(Exception):
    """An answer to the caller: a code for programs, a sentence for people, an HTTP status.

    `field` names what was wrong and `expected` what is accepted there; `retry_after` is in seconds.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int = 400,
        field: str | None = None,
        expected: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.field = field
        self.expected = expected
        self.retry_after = retry_after

    def problem(self, request_id: str | None = None) -> Problem:
        return Problem(
            code=self.code, message=self.message, field=self.field, expected=self.expected, request_id=request_id
        )

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self), self.args, self.__dict__)


class BackendAway(ServiceError):
    """A backend cannot be reached now; nothing is wrong with the request, which may be sent again."""

    def __init__(self, backend: str, message: str, *, retry_after: int = RETRY_AFTER_S) -> None:
        super().__init__(f"{backend}_away", message, status=503, retry_after=retry_after)
        self.backend = backend


class NotAcknowledged(BackendAway):
    """Kafka did not confirm all records. `missing` are the indices, in the list that was to be sent, of those without
    a confirmation: they may or may not be in the log, and are sent again under the same event ids."""

    def __init__(self, missing: tuple[int, ...], message: str) -> None:
        super().__init__("kafka", message)
        self.missing = missing


class InvalidMessage(Exception):
    """A record that can never be processed, wherever and however often it is read."""

    def __init__(self, topic: str, partition: int, offset: int, reason: str) -> None:
        super().__init__(topic, partition, offset, reason)
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}: {self.reason}"


def _restore(kind: type[ServiceError], args: tuple[object, ...], state: dict[str, object]) -> ServiceError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error
