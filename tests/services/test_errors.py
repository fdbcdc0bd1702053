"""Errors survive a process boundary, and have one JSON shape."""

import pickle

import pytest

from services.errors import BackendAway, InvalidMessage, NotAcknowledged, ServiceError

ERRORS = [
    ServiceError("bad_rating", "No such rating.", status=422, field="stars", expected="1 to 5", retry_after=3),
    BackendAway("postgres", "The database cannot be reached."),
    NotAcknowledged((1, 4), "2 of 5 messages were not acknowledged."),
    InvalidMessage("topic", 3, 17, "no JSON"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_pickles_whole(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(again) is type(error)
    assert (str(again), again.args, again.__dict__) == (str(error), error.args, error.__dict__)


def test_a_problem_says_what_where_and_what_is_expected() -> None:
    error = ServiceError("bad_rating", "No such rating.", status=422, field="stars", expected="1 to 5")
    assert error.problem("r-1").model_dump() == {
        "code": "bad_rating",
        "message": "No such rating.",
        "field": "stars",
        "expected": "1 to 5",
        "request_id": "r-1",
    }


def test_a_backend_that_is_away_is_worth_another_try() -> None:
    error = BackendAway("kafka", "Kafka cannot be reached.", retry_after=7)
    assert (error.status, error.code, error.retry_after) == (503, "kafka_away", 7)


def test_an_invalid_message_names_its_place() -> None:
    assert str(InvalidMessage("topic", 3, 17, "no JSON")) == "topic[3]@17: no JSON"
