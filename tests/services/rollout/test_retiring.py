"""What learned from a song that was taken back is taken from its listener, in Postgres and in the registry."""

from uuid import UUID, uuid4

from schemas.registry import CANDIDATE, CHAMPION, model_name
from services.rollout.retiring import retire
from tests.services.rollout.test_control import BETTER, canary, status
from tests.services.rollout.world import World


def withdraw(world: World, who: UUID) -> None:
    """A song that was there before any version, taken back now."""
    withdrawn = "insert into gateway.withdrawn_songs (song_id, listener_id, brought_at) values (%s, %s, '-infinity')"
    world.do(withdrawn, uuid4(), who)


def promoted(world: World) -> list[UUID]:
    people, release_id = canary(world)
    world.rate_all(release_id, BETTER, each=12)
    world.control().turn()
    assert status(world, release_id) == "promoted"
    return people


def test_a_champion_goes_with_its_alias_and_only_for_its_listener(world: World) -> None:
    who, other, *_ = promoted(world)
    withdraw(world, who)
    world.control().turn()
    assert world.served()[who] == (None, None, None)
    assert world.served()[other][0] == 1
    assert CHAMPION not in world.registry.aliases(model_name(who))
    assert world.registry.aliases(model_name(other))[CHAMPION] == 1
    deed = world.one("select subject, detail from audit.entries where action = 'version.retired'")
    assert deed == {"subject": str(who), "detail": {"versions": [1]}}


def test_a_candidate_leaves_its_canary_and_the_others_stay(world: World) -> None:
    (who, other, *_), release_id = canary(world)
    withdraw(world, who)
    world.control().turn()
    assert world.served()[who] == (None, None, None)
    assert world.served()[other] == (None, None, 1)
    assert CANDIDATE not in world.registry.aliases(model_name(who))
    left = "select left_at is not null as gone from rollout.members where release_id = %s and listener_id = %s"
    assert world.one(left, release_id, who)["gone"]
    assert status(world, release_id) == "canary"


def test_while_the_registry_is_away_it_is_tried_again(world: World) -> None:
    who, *_ = promoted(world)
    withdraw(world, who)
    world.registry.away = True
    retire(world.pool, world.registry)
    assert world.served()[who][0] == 1
    world.registry.away = False
    retire(world.pool, world.registry)
    assert world.served()[who][0] is None


def test_a_round_that_waits_brings_no_such_version_into_a_canary(world: World) -> None:
    who, other = world.listener(), world.listener()
    round_id = world.round([who, other])
    withdraw(world, who)
    world.control().turn()
    members = world.do(
        "select listener_id from rollout.members where release_id = %s", world.release(round_id)["release_id"]
    )
    assert [row["listener_id"] for row in members] == [other]
