"""A stranger's requests by the hundred; `crossing` makes as many as are asked for."""

import random
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.services.gateway.crossing import Asked, Asker, Crossing, Owner, crossed
from tests.services.gateway.rooms.house import furnished


def test_nobody_is_answered_with_what_is_anothers(postgres_dsn: str, tmp_path: Path) -> None:
    with furnished(postgres_dsn, tmp_path) as gateway:
        answers, complaints = crossed(gateway, 600, seed=7)
    assert complaints == []
    statuses = sum(answers.values(), Counter())
    assert statuses[200] > 20, statuses
    assert statuses[404] > 20, statuses


@pytest.mark.parametrize(
    ("status", "text", "url", "reach", "says"),
    [
        (200, "harp", "/v1/tracks", {0}, "tells harp of another"),
        (404, "harp", "/v1/tracks", {0}, "tells harp of another"),
        (404, "harp", "/v1/tracks?q=harp", {0}, None),
        (200, "harp", "/v1/tracks", {0, 1}, None),
        (200, "{}", "/v1/tracks/harp", {0}, "for what is another's"),
        (401, '{"code": "unauthorized"}', "/v1/tracks", {0}, "with a right token"),
        (401, '{"code": "unknown_login"}', "/v1/sessions", {0}, None),
        (500, "", "/v1/tracks", {0}, "500"),
    ],
)
def test_what_must_not_be_is_seen(status: int, text: str, url: str, reach: set[int], says: str | None) -> None:
    owners = [Owner("one", {}, frozenset({"fiddle"})), Owner("other", {}, frozenset({"harp"}))]
    asked = Asked("GET", url, {}, frozenset({1} if url.endswith("/harp") else ()))
    answer = httpx.Response(status, text=text)
    said = Crossing(owners, [], [], random.Random(1)).wrong(Asker("listener", str, frozenset(reach)), asked, answer)
    assert (said is None) if says is None else (said is not None and says in said)
