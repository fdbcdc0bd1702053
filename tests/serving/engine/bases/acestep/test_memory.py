"""Memory is computed from configurations: what it counts is what loading and running would hold."""

from pathlib import Path

import torch

from serving.engine.adapters.pool import attach
from serving.engine.bases.acestep.memory import Held, need
from serving.engine.bases.load import load_base
from tests.serving.engine.miniature import save


def test_the_peak_is_the_most_that_lives_at_once() -> None:
    with Held() as held:
        first = torch.empty(1000, device="meta")
        second = first + 1
        view = second.view(10, 100)
        del first, second
        third = torch.empty(500, device="meta")
        del view, third
        torch.empty(1900, device="meta")
    assert held.peak == 4 * 2000


def test_weights_and_pool_are_those_of_the_loaded_checkpoint(tmp_path: Path) -> None:
    save(tmp_path)
    found = need(tmp_path, torch.float32, slots=5, rank=4, rows=2, seconds=2.0)
    transformer = load_base(tmp_path).transformer
    assert found["transformer"] == sum(p.numel() * p.element_size() for p in transformer.parameters())
    pool = attach(transformer, 5, 4, torch.bfloat16)
    assert found["pool of 5 slots of rank 4"] == sum(p.numel() * p.element_size() for p in pool.parameters())


def test_more_rows_and_longer_tracks_need_more(tmp_path: Path) -> None:
    save(tmp_path)

    def forward(rows: int, seconds: float) -> int:
        found = need(tmp_path, torch.bfloat16, slots=2, rank=4, rows=rows, seconds=seconds)
        return next(size for name, size in found.items() if name.startswith("a forward"))

    assert forward(2, 4.0) < forward(4, 4.0) < forward(4, 8.0)


def test_training_holds_moments_and_what_the_backward_pass_reads_and_makes(tmp_path: Path) -> None:
    save(tmp_path)
    serving = need(tmp_path, torch.float32, slots=3, rank=4, rows=4, seconds=2.0)
    training = need(tmp_path, torch.float32, slots=3, rank=4, rows=4, seconds=2.0, train=True)
    assert training["3 slots of rank 4, moments"] == 3 * 2 * serving["pool of 3 slots of rank 4"]
    assert training["a step of 4 rows of 2 s"] > 2 * serving["a forward of 4 rows of 2 s"]
    crowded = need(tmp_path, torch.float32, slots=30, rank=4, rows=4, seconds=2.0, train=True)
    assert crowded["a step of 4 rows of 2 s"] == training["a step of 4 rows of 2 s"]
