"""What made-up machines are used for: nothing but the clock decides."""

from itertools import product

import pytest

from serving.engine.hardware.choice import Choice, Dtype, Timing, Work, choose


def timings(slower: float, gains: tuple[float, ...] = (), gather: float = 0.01) -> list[Timing]:
    """A machine whose bfloat16 takes `slower` times float32's; `gains` are of 2, 4, ... threads over one."""
    found = [Timing("gather", "float32", 1, 0.01), Timing("gather", "bfloat16", 1, gather)]
    works: tuple[Work, ...] = ("forward", "training")
    dtypes: tuple[Dtype, ...] = ("float32", "bfloat16")
    for work, dtype in product(works, dtypes):
        alone = slower if dtype == "bfloat16" else 1.0
        found += [Timing(work, dtype, 2**place, alone / gain) for place, gain in enumerate((1.0, *gains))]
    return found


def test_a_processor_without_units_for_bfloat16_computes_in_float32() -> None:
    chosen = choose(timings(slower=14.9), cores=2)
    assert (chosen.engine_dtype, chosen.factory_dtype) == ("float32", "float32")


def test_a_processor_with_such_units_computes_in_bfloat16() -> None:
    chosen = choose(timings(slower=0.3), cores=2)
    assert (chosen.engine_dtype, chosen.factory_dtype) == ("bfloat16", "bfloat16")


@pytest.mark.parametrize("slower", [0.9, 1.0, 1.1])
def test_where_both_are_about_as_fast_the_exact_one_is_taken(slower: float) -> None:
    assert choose(timings(slower), cores=2).engine_dtype == "float32"


def test_engine_and_factory_are_chosen_by_what_each_does() -> None:
    # Forwards are faster in bfloat16, backward passes are not.
    found = [t for t in timings(1.0) if t.work != "forward"]
    found += [Timing("forward", "float32", 1, 1.0), Timing("forward", "bfloat16", 1, 0.4)]
    chosen = choose(found, cores=2)
    assert (chosen.engine_dtype, chosen.factory_dtype) == ("bfloat16", "float32")


def test_threads_double_while_it_pays_and_the_engine_leaves_half_of_the_cores() -> None:
    chosen = choose(timings(5.0, gains=(1.9, 3.4, 3.9)), cores=8)
    assert (chosen.engine_threads, chosen.factory_threads) == (4, 4)
    assert choose(timings(5.0, gains=(1.9,)), cores=2).engine_threads == 1
    assert choose(timings(5.0, gains=(1.9,)), cores=2).factory_threads == 2
    assert choose(timings(5.0, gains=(1.1, 3.0)), cores=4).factory_threads == 1


def test_a_count_that_was_not_measured_is_not_taken() -> None:
    assert choose(timings(5.0), cores=64).factory_threads == 1


def test_the_pool_is_held_in_half_unless_that_shows_in_a_step() -> None:
    assert choose(timings(5.0), cores=2).pool_dtype == "bfloat16"
    assert choose(timings(5.0, gather=0.2), cores=2).pool_dtype == "float32"
    # What computes in bfloat16 reads the pool as it is.
    assert choose(timings(0.3, gather=0.2), cores=2).pool_dtype == "bfloat16"


@pytest.mark.parametrize(
    ("compiled", "compiling_s", "expected"),
    [(0.5, 5.0, "yes"), (0.5, 50.0, "no"), (0.95, 5.0, "no"), (None, 5.0, "no"), (0.5, None, "no")],
)
def test_the_forward_is_compiled_where_that_pays_within_a_start(
    compiled: float | None, compiling_s: float | None, expected: str
) -> None:
    seconds: dict[Work, float | None] = {"compiled": compiled, "compiling": compiling_s}
    tried = [Timing(work, "float32", 1, each) for work, each in seconds.items() if each is not None]
    assert choose([*timings(slower=14.9), *tried], cores=2).engine_compile == expected
    # What compiling brings in another type than the engine's own says nothing.
    assert choose([*timings(slower=0.3), *tried], cores=2).engine_compile == "no"


def test_a_timing_that_is_absent_is_named() -> None:
    with pytest.raises(ValueError, match="training in bfloat16"):
        choose([t for t in timings(1.0) if (t.work, t.dtype) != ("training", "bfloat16")], cores=2)


def test_the_batch_cap_is_left_to_the_engine_with_its_pool() -> None:
    assert choose(timings(1.0), cores=2) == Choice("float32", 1, "no", "bfloat16", "float32", 1, most_rows=0)
