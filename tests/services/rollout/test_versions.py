"""An operator moves single listeners' versions: what they hear first, the aliases after; canaries and pins are kept."""

from argparse import Namespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from schemas.registry import model_name
from services.errors import BackendAway
from services.rollout.adapters import answer
from services.rollout.operating import Wish
from services.rollout.versions import Served, Versions
from tests.services.rollout.test_control import canary
from tests.services.rollout.world import World


def wish(action: Any, who: UUID, version: int | None = None) -> Wish:
    return Wish(action, "hums less", "Ada", listener_id=who, version=version)


def serve(versions: Versions, who: UUID, version: int) -> Served:
    return versions.move(wish("serve", who, version))


def pin(versions: Versions, who: UUID, version: int) -> Served:
    return versions.move(wish("pin", who, version))


@pytest.fixture
def versions(world: World) -> Versions:
    return Versions(world.pool, world.registry)


@pytest.fixture
def who(world: World) -> UUID:
    """A listener with two versions and no canary."""
    listener = world.listener()
    for _ in range(2):
        world.round([listener], status="failed")
    return listener


def test_promoted_rolled_back_and_forth(world: World, versions: Versions, who: UUID) -> None:
    assert serve(versions, who, 1) == Served(1, None)
    assert serve(versions, who, 2) == Served(2, 1)
    assert serve(versions, who, 2) == Served(2, 1), "again changes nothing"
    assert versions.move(wish("serve_previous", who)) == Served(1, 2)
    assert versions.move(wish("serve_previous", who)) == Served(2, 1)
    assert world.served() == {who: (2, 1, None)}
    aliases = world.registry.aliases(model_name(who))
    assert (aliases["champion"], aliases["previous"]) == (2, 1)


def test_what_does_not_exist_or_is_tried_in_a_canary_is_refused(world: World, versions: Versions, who: UUID) -> None:
    with pytest.raises(ValueError, match="no version 9"):
        serve(versions, who, 9)
    with pytest.raises(ValueError, match="no version before"):
        versions.move(wish("serve_previous", who))
    with pytest.raises(ValueError, match="not pinned"):
        versions.move(wish("unpin", uuid4()))
    people, release_id = canary(world, 2)
    with pytest.raises(ValueError, match=str(release_id)):
        serve(versions, people[0], 1)
    assert world.served()[people[0]] == (None, None, 1)


def test_a_pinned_listener_joins_no_canary_until_unpinned(world: World, versions: Versions, who: UUID) -> None:
    assert pin(versions, who, 1) == Served(1, None, True)
    other = world.listener()
    world.round([who, other])
    world.control().turn()
    assert world.served() == {who: (1, None, None), other: (None, None, 1)}
    assert versions.move(wish("unpin", who)) == Served(1, None)


def test_each_move_is_kept_with_who_and_why_and_only_what_moved(world: World, versions: Versions, who: UUID) -> None:
    for _ in range(2):
        pin(versions, who, 2)
    serve(versions, who, 1)
    with pytest.raises(ValueError, match="no version 7"):
        pin(versions, who, 7)
    noted = world.do("select action, version, reason, acted_by from rollout.actions order by acted_at")
    assert [tuple(row.values()) for row in noted] == [("pin", 2, "hums less", "Ada"), ("serve", 1, "hums less", "Ada")]


def test_a_version_that_learned_from_a_withdrawn_song_is_served_to_nobody(
    world: World, versions: Versions, who: UUID
) -> None:
    world.do(
        "insert into gateway.withdrawn_songs (song_id, listener_id, brought_at)"
        " select %s, listener_id, created_at - interval '1 second' from training.adapters where version = 2",
        uuid4(),
    )
    with pytest.raises(ValueError, match="no version 2 that may be played"):
        serve(versions, who, 2)


def test_the_listener_is_served_though_the_registry_is_away_and_again_brings_the_alias(
    world: World, versions: Versions, who: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise BackendAway("mlflow", "MLflow cannot be reached.")

    with monkeypatch.context() as patch:
        patch.setattr(world.registry, "point", away)
        with pytest.raises(BackendAway):
            serve(versions, who, 2)
    assert world.served() == {who: (2, None, None)}
    serve(versions, who, 2)
    assert world.registry.aliases(model_name(who))["champion"] == 2


def test_versions_are_shown_with_their_role_and_ratings(world: World, versions: Versions, who: UUID) -> None:
    pin(versions, who, 1)
    (track,) = world.tracks([(who, "champion")], None)
    world.do("update feedback.tracks set model_version = %s", f"{model_name(who)}/1")
    world.do("insert into feedback.ratings values (%s, %s, 4, now(), %s)", who, track, uuid4())
    listed = answer(versions, Namespace(command="list", listener=who))
    assert "champion, pinned" in listed
    assert "4.00" in listed
    shown = answer(versions, Namespace(command="show", listener=who, version=1))
    assert '"ratings": 1' in shown
    world.do("update training.adapters set scores = '{\"adapter_loss\": 0.25}' where version = 2")
    beside = answer(versions, Namespace(command="diff", listener=who, version=1, other=2))
    assert "adapter_loss          -  ->  0.25" in beside
