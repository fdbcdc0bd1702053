"""A round from its row to its versions, on a real database and a real registry, killed at every point."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import torch
from mlflow.exceptions import MlflowException

from schemas.registry import CANDIDATE, model_name
from serving.engine.adapters.controls import Controls
from serving.engine.adapters.files import parse
from serving.engine.adapters.pool import targets
from serving.engine.adapters.scorer import Scorer
from serving.engine.bases.base import Base
from serving.engine.bases.shipped.checkpoint import random_base
from tests.training.examples import START, features
from training.blobs import Blobs
from training.due import Start
from training.liking import Liking
from training.methods import METHODS
from training.methods.staged_rewards import Measure, Measured
from training.registry import Registry
from training.rounds import Room, finish
from training.settings import Settings
from training.snapshot import Example, ListenerFacts
from training.store import Round, Store

STEPS = 4


class Killed(BaseException):
    """Stands for kill -9: no handler of ours may catch it."""


class Mortal:
    """Passes calls on and dies right after one of them."""

    def __init__(self, real: Any, after_call: Callable[[], None]) -> None:
        self._real, self._after_call = real, after_call

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._real, name)
        if not callable(value):
            return value

        def call(*args: Any, **kwargs: Any) -> Any:
            result = value(*args, **kwargs)
            self._after_call()
            return result

        return call


class House:
    """A database, a registry and a folder with one listener at a time."""

    def __init__(self, dsn: str, mlflow_url: str, folder: Path) -> None:
        self.dsn, self.folder = dsn, folder
        # What is drawn in training hangs on the ids, and so does what the gate says.
        self._chance = Random(folder.name)
        self.settings = Settings(
            postgres_dsn=dsn,
            store_url=str(folder / "store"),
            mlflow_url=mlflow_url,
            factory_folder=folder / "factory",
            factory_method="weighted_sft",  # learns from a single rating
            factory_steps=STEPS,
            factory_crop_frames=32,
            factory_learning_rate=0.002,
            factory_checkpoint_s=0,
        )
        self.base = random_base(1)
        self.registry = Registry(mlflow_url)

    def newcomer(self, broken: bool = False) -> UUID:
        """A listener with one song and one rated track."""
        listener, number, track = (UUID(int=self._chance.getrandbits(128), version=4) for _ in range(3))
        store = Path(self.settings.store_url)
        url = str(store / "absent") if broken else features(store / str(number), number.int % 1000)
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("insert into gateway.listeners (listener_id) values (%s)", (listener,))
            connection.execute(
                "insert into gateway.songs values (%s, %s, 'a.wav', 'x', 7, %s, -14, 'x', %s, %s)",
                (number, listener, "0" * 64, url, START),
            )
            connection.execute(
                "insert into feedback.tracks values (%s, %s, 'base', 0.25, null, null, null, '', 7, %s, %s, %s)",
                (track, listener, url, "0" * 64, START),
            )
            connection.execute(
                "insert into feedback.ratings values (%s, %s, 5, %s, %s)",
                (listener, track, START + timedelta(hours=1), uuid4()),
            )
        return listener

    def take_songs(self, listener: UUID) -> None:
        """They have brought none."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("delete from gateway.songs where listener_id = %s", (listener,))

    def silence(self) -> None:
        """Nobody has rated anything: whoever did is read in the rounds of others."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("delete from feedback.ratings")

    def start(self, *listeners: UUID) -> Round:
        with Store(self.dsn) as store:
            assert store.start_round(uuid4(), Start(listeners))
            current = store.running_round()
        assert current is not None
        return current

    def work(self, after_call: Callable[[], None] = lambda: None) -> int:
        """One process's work on the running round."""

        def registry() -> Registry:
            mortal = Registry(self.settings.mlflow_url)
            mortal._client = Mortal(mortal._client, after_call)
            return mortal

        def base() -> Base:
            return self.base

        with Store(self.dsn) as store:
            current = store.running_round()
            assert current is not None
            blobs: Any = Mortal(Blobs(self.settings.store_url), after_call)
            mortal_store: Any = Mortal(store, after_call)
            room = Room(self.settings, mortal_store, blobs, base, registry, lambda *_: after_call())
            return finish(room, current)

    def rows(self, sql: str, *values: Any) -> list[Any]:
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(sql.encode(), values).fetchall()

    def versions(self, listener: UUID) -> list[Any]:
        return list(self.registry._client.search_model_versions(f"name = '{model_name(listener)}'"))


@pytest.fixture
def house(postgres_dsn: str, mlflow_url: str, tmp_path: Path) -> House:
    return House(postgres_dsn, mlflow_url, tmp_path)


def test_a_round_whose_method_asks_how_tracks_sound_hears_them(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    listener = house.newcomer()
    heard: list[Measured] = []

    def spy(facts: ListenerFacts, measure: Measure) -> tuple[Example, ...]:
        heard.extend(measure(track) for track in facts.tracks)
        return METHODS["weighted_sft"](facts)

    monkeypatch.setattr("training.methods.staged_rewards.examples", spy)
    house.settings = house.settings.model_copy(update={"factory_method": "staged_rewards"})
    house.start(listener)
    assert house.work() == 1
    ((method,),) = house.rows("select method from training.adapters where listener_id = %s", listener)
    assert method == "staged_rewards"
    assert [each.quality is not None for each in heard] == [True]


def test_a_round_leaves_a_version_a_candidate_and_a_file_that_the_engine_takes(house: House) -> None:
    listener = house.newcomer()
    current = house.start(listener)
    assert house.work() == 1
    (status, snapshot, run_id), *_ = house.rows(
        "select status, snapshot_sha256, mlflow_run_id from training.rounds where round_id = %s", current.round_id
    )
    assert status == "trained"
    ((version, url, digest, method),) = house.rows(
        "select version, url, sha256, method from training.adapters where listener_id = %s", listener
    )
    assert method == house.settings.recipe.method
    data = Path(url).read_bytes()
    base_hash = house.base.manifest.base_hash
    adapter = parse(data, targets(house.base.transformer), 8, base_hash=base_hash, sha256=digest)
    assert adapter.manifest is not None
    assert (adapter.manifest.snapshot_sha256, adapter.manifest.steps) == (snapshot, STEPS)
    (registered,) = house.versions(listener)
    assert (int(registered.version), registered.run_id) == (version, run_id)
    assert registered.tags["encore.snapshot_sha256"] == snapshot
    client = house.registry._client
    assert client.get_model_version_by_alias(model_name(listener), CANDIDATE).version == registered.version
    assert {file.path for file in client.list_artifacts(run_id)} == {"adapters", "snapshot"}
    assert Path(house.settings.store_url, "snapshots", f"{snapshot}.json").exists()


def test_a_round_is_told_by_who_else_rated_and_trains_its_own_alone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = house.newcomer(), house.newcomer()
    asked: list[tuple[list[UUID], list[UUID]]] = []

    def recorded(listeners: Sequence[ListenerFacts], *_: Any, others: Sequence[ListenerFacts]) -> dict[UUID, Liking]:
        asked.append(([each.listener_id for each in listeners], [each.listener_id for each in others]))
        return {}

    monkeypatch.setattr("training.train.likings", recorded)
    house.start(mine)
    assert house.work() == 1
    assert asked == [([mine], [other])]
    assert house.versions(other) == []


def test_killed_after_any_call_the_next_start_ends_the_round_with_one_version(house: House) -> None:
    points = 0
    while True:
        house.silence()
        listener = house.newcomer()
        current = house.start(listener)
        left = points

        def die() -> None:
            nonlocal left
            if left == 0:
                left = -1
                raise Killed
            left -= 1

        try:
            house.work(die)
        except Killed:
            if house.rows("select from training.rounds where round_id = %s and status = 'running'", current.round_id):
                assert house.work() == 1
        assert len(house.versions(listener)) == 1
        assert house.rows("select status from training.rounds where round_id = %s", current.round_id) == [("trained",)]
        assert len(house.rows("select from training.adapters where listener_id = %s", listener)) == 1
        if left >= 0:
            break
        points += 1
    assert points > 20


def test_a_listener_without_usable_material_is_left_out_and_the_others_are_trained(house: House) -> None:
    sound, broken = house.newcomer(), house.newcomer(broken=True)
    house.start(sound, broken)
    assert house.work() == 1
    assert house.rows("select listener_id from training.adapters") == [(sound,)]
    ((detail,),) = house.rows("select detail from training.rounds")
    assert str(broken) in detail
    assert house.rows("select listener_id from training.progress") == [(sound,)]
    assert house.rows("select listener_id, failures from training.troubles") == [(broken, 1)]


def test_with_songs_alone_a_version_says_what_it_was_made_from_where_there_are_none(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.methods.signed.examples", METHODS["weighted_sft"])
    house.settings = house.settings.model_copy(update={"factory_method": "songs"})
    brought, bare = house.newcomer(), house.newcomer()
    house.take_songs(bare)
    house.start(brought, bare)
    assert house.work() == 2
    made = dict(house.rows("select listener_id, method from training.adapters"))
    assert made == {brought: "songs", bare: "signed"}


def test_who_brought_no_song_and_has_answered_too_little_is_in_no_trouble(house: House) -> None:
    house.settings = house.settings.model_copy(update={"factory_method": "songs"})
    listener = house.newcomer()
    house.take_songs(listener)
    house.start(listener)
    assert house.work() == 0
    assert house.rows("select status, detail from training.rounds") == [
        ("empty", f"1 without an adapter: {listener}: too few answers to learn from")
    ]
    assert house.rows("select listener_id from training.troubles") == []
    assert house.rows("select listener_id from training.progress") == [(listener,)]


def test_a_round_in_which_nobody_gets_an_adapter_ends_empty(house: House) -> None:
    house.start(house.newcomer(broken=True))
    assert house.work() == 0
    assert house.rows("select status from training.rounds") == [("empty",)]


def test_what_the_gate_refuses_is_registered_with_its_reason_and_is_nobodys_candidate(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.train.refusal", lambda _: "tracks all alike")
    listener = house.newcomer()
    house.start(listener)
    assert house.work() == 0
    assert house.rows("select from training.adapters where listener_id = %s", listener) == []
    (registered,) = house.versions(listener)
    assert registered.tags["encore.refused"] == "tracks all alike"
    assert "encore.score.diversity" in registered.tags
    with pytest.raises(MlflowException):
        house.registry._client.get_model_version_by_alias(model_name(listener), CANDIDATE)
    (path,) = Path(house.settings.store_url, "refused", str(listener)).iterdir()
    assert path.stem == registered.tags["encore.sha256"]


def test_refused_factors_leave_a_version_of_what_else_was_learned_and_it_says_why(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = house.newcomer()
    scorer = Scorer(torch.zeros(3), torch.ones(3), torch.eye(1, 3), torch.zeros(2), torch.zeros(2, 2))
    liking = Liking(scorer, Controls(torch.zeros(1, 200), torch.ones(1)))
    monkeypatch.setattr("training.train.likings", lambda *_, **__: {listener: liking})
    monkeypatch.setattr("training.train.refusal", lambda _: "tracks all alike")
    house.start(listener)
    assert house.work() == 1
    (registered,) = house.versions(listener)
    assert registered.tags["encore.without_factors"] == "tracks all alike"
    ((url, method),) = house.rows("select url, method from training.adapters where listener_id = %s", listener)
    assert (method, registered.tags["encore.method"]) == ("selection", "selection")
    version = parse(Path(url).read_bytes(), targets(house.base.transformer), 8)
    assert (version.factors, version.scorer is not None) == ({}, True)
    ((detail,),) = house.rows("select detail from training.rounds")
    assert f"{listener}: tracks all alike" in detail
