"""How a request is refused, on its way from where that is found to the HTTP answer."""

from schemas.base import Problem


class Refused(Exception):
    """A request that cannot be done; pickles, because Ray carries it between processes.

    Attributes:
        status: of the HTTP answer.
        problem: its body.
        retry_after_s: when to try again, where that may help.
    """

    def __init__(self, status: int, problem: Problem, retry_after_s: float | None = None) -> None:
        super().__init__(status, problem, retry_after_s)
        self.status, self.problem, self.retry_after_s = status, problem, retry_after_s


def refused(status: int, code: str, message: str, *, field: str | None = None, expected: str | None = None) -> Refused:
    """A `Refused` of these words."""
    return Refused(status, Problem(code=code, message=message, field=field, expected=expected))


def busy(retry_after_s: float) -> Refused:
    """No room now: 503 with Retry-After."""
    problem = Problem(code="busy", message="The engine has as much work as it can take; try again later.")
    return Refused(503, problem, max(1.0, retry_after_s))
