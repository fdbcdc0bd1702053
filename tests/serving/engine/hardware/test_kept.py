"""What was measured is kept for this machine, and for no other; the settings have the last word."""

import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import torch

from serving.engine.bases.shipped.checkpoint import random_base, save_base, tiny_transformer
from serving.engine.errors import BaseError
from serving.engine.hardware import machine
from serving.engine.hardware.choice import Timing
from serving.engine.hardware.kept import forced, keep_rows, known
from serving.engine.hardware.measure import compiling, measure
from tests.serving.engine.hardware.test_choice import timings

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    save_base(folder, random_base(1), tiny_transformer())
    return folder


class Clock:
    """Stands for the measurement; counts how often it was asked for."""

    def __init__(self, slower: float) -> None:
        self.asked, self._slower = 0, slower

    def __call__(self, _folder: Path, _device: torch.device, _cores: int) -> tuple[Timing, ...]:
        self.asked += 1
        return tuple(timings(self._slower))


def test_a_machine_is_measured_once(base: Path, tmp_path: Path) -> None:
    clock = Clock(slower=14.9)
    first = known(base, CPU, tmp_path / "kept", clock)
    second = known(base, CPU, tmp_path / "kept", clock)
    assert clock.asked == 1
    assert (first.measured, second.measured) == (True, False)
    assert second == replace(first, measured=False)
    assert second.choice.factory_dtype == "float32"


def test_the_batch_cap_that_was_found_is_there_at_the_next_start(base: Path, tmp_path: Path) -> None:
    keep_rows(known(base, CPU, tmp_path, Clock(1.0)), tmp_path, 16)
    assert known(base, CPU, tmp_path, Clock(1.0)).choice.most_rows == 16


def test_what_the_settings_force_is_not_kept_as_measured(base: Path, tmp_path: Path) -> None:
    found = known(base, CPU, tmp_path, Clock(14.9))
    keep_rows(forced(found, engine_dtype="bfloat16"), tmp_path, 16)
    assert known(base, CPU, tmp_path, Clock(14.9)) == replace(found, measured=False)


@pytest.mark.parametrize("fact", ["processor", "flags", "cores", "device", "torch", "base"])
def test_another_machine_is_measured_anew(
    fact: str, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, facts = Clock(1.0), machine.describe(base, CPU)
    known(base, CPU, tmp_path, clock)
    monkeypatch.setattr("serving.engine.hardware.kept.describe", lambda *_: facts | {fact: "other"})
    known(base, CPU, tmp_path, clock)
    assert clock.asked == 2


@pytest.mark.parametrize("body", ["", "{", '{"choice": {}}', '{"choice": {"speed": 1}, "timings": [], "facts": {}}'])
def test_what_is_not_readable_is_measured_again(body: str, base: Path, tmp_path: Path) -> None:
    found = known(base, CPU, tmp_path, Clock(1.0))
    (tmp_path / f"{found.name}.json").write_text(body)
    clock = Clock(0.3)
    assert known(base, CPU, tmp_path, clock).choice.engine_dtype == "bfloat16"
    assert clock.asked == 1
    assert json.loads((tmp_path / f"{found.name}.json").read_text())["choice"]["engine_dtype"] == "bfloat16"


def test_a_folder_that_cannot_be_written_costs_only_the_time(base: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    clock = Clock(1.0)
    folder = tmp_path / "file" / "below"
    keep_rows(known(base, CPU, folder, clock), folder, 16)
    assert known(base, CPU, folder, clock).choice.most_rows == 0
    assert clock.asked == 2


def test_settings_force_each_choice(base: Path, tmp_path: Path) -> None:
    found = known(base, CPU, tmp_path, Clock(14.9))
    wanted: dict[str, str | int] = {
        "engine_dtype": "bfloat16", "engine_threads": 7, "engine_compile": "yes", "pool_dtype": "float32",
        "factory_dtype": "bfloat16", "factory_threads": 9, "most_rows": 6,
    }  # fmt: skip
    assert vars(forced(found, **wanted).choice) == wanted
    assert forced(found, engine_dtype="measured", engine_compile="measured", engine_threads=0, most_rows=0) == found


def test_status_and_log_tell_the_choice_and_the_machine_without_its_flags(base: Path, tmp_path: Path) -> None:
    told = known(base, CPU, tmp_path, Clock(14.9)).told()
    assert told["engine_dtype"] == "float32"
    assert told["processor"]
    assert "flags" not in told


def test_the_measurement_times_all_that_is_chosen_from(base: Path) -> None:
    threads = torch.get_num_threads()
    found = measure(base, CPU, cores=2)
    assert torch.get_num_threads() == threads
    alone = {(timing.work, timing.dtype) for timing in found if timing.threads == 1}
    assert alone == {(work, dtype) for work in ("forward", "training", "gather") for dtype in ("float32", "bfloat16")}
    assert all(timing.seconds > 0 for timing in found)


def test_only_threads_that_could_be_chosen_are_timed(base: Path) -> None:
    # Of two cores the engine may have one, and the factory trains in one type.
    more = [timing for timing in measure(base, CPU, cores=2) if timing.threads > 1]
    assert [(timing.work, timing.threads) for timing in more] == [("training", 2)]


def test_a_processor_never_tries_to_compile(base: Path) -> None:
    assert {timing.work for timing in measure(base, CPU, cores=1)} == {"forward", "training", "gather"}


def test_compiling_is_timed_and_leaves_nothing_behind(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.engine.hardware.measure.LAYERS", 1)  # each takes as long to compile as the other
    found = list(compiling(base, CPU, backend="eager"))
    assert {(timing.work, timing.dtype) for timing in found} == set(
        product(("compiled", "compiling"), ("float32", "bfloat16"))
    )
    with pytest.raises(Exception, match="no compiler"):
        torch.compile(torch.square, backend=_broken)(torch.ones(2))


def test_where_nothing_can_be_compiled_the_answer_is_no_by_itself(base: Path) -> None:
    assert list(compiling(base, CPU, backend=_broken)) == []


def _broken(*_: object) -> None:
    raise RuntimeError("no compiler")


def test_a_base_without_a_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BaseError, match="configuration"):
        known(tmp_path, CPU, tmp_path / "kept")
