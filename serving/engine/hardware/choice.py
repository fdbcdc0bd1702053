"""From measured seconds to what engine and factory compute in, and with how many threads. Pure.

bfloat16 is many times faster than float32 where a processor has units for it, and many times slower
where it has none; so nothing but the clock decides. Where both are about as fast it is float32.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Dtype = Literal["float32", "bfloat16"]
Answer = Literal["no", "yes"]
# A forward of the engine, the same compiled, compiling it, a forward and backward of the factory, the pool's factors of
# a batch gathered.
Work = Literal["forward", "compiled", "compiling", "training", "gather"]

# How much faster bfloat16 must be: less is not worth its rounding, nor told from chance.
WORTH = 1.15
# How much faster a compiled forward must be, and how many seconds compiling the measured part may take: every start
# compiles all of it.
COMPILED, COMPILING_S = 1.2, 15.0
# What doubling the threads must bring at least; less is better left to the others on the machine.
DOUBLING = 1.3
# Share of a forward that gathering a batch's factors may take before the pool is kept in float32, at twice its size.
GATHERED = 0.1


@dataclass(frozen=True)
class Timing:
    """So many seconds were needed for one piece of work; of one size for all timings of that work."""

    work: Work
    dtype: Dtype
    threads: int
    seconds: float


@dataclass(frozen=True)
class Choice:
    """How this machine is used. Threads are of one forward; `most_rows` 0 = the engine finds it at start."""

    engine_dtype: Dtype
    engine_threads: int
    engine_compile: Answer
    pool_dtype: Dtype
    factory_dtype: Dtype
    factory_threads: int
    most_rows: int = 0


def choose(timings: Sequence[Timing], cores: int) -> Choice:
    """What the timings speak for.

    Args:
        timings: of `forward`, `training` and `gather` in both dtypes with one thread, of `forward` and `training`
            with more threads in any dtype, and of `compiled` and `compiling` where that was tried and worked.
        cores: that this process may use.

    Raises:
        ValueError: a timing with one thread is absent.
    """
    engine_dtype, factory_dtype = faster(timings, "forward"), faster(timings, "training")
    return Choice(
        engine_dtype=engine_dtype,
        engine_threads=_threads(timings, "forward", engine_dtype, most_threads("forward", cores)),
        engine_compile=_compile(timings, engine_dtype),
        pool_dtype=_pool(timings, engine_dtype),
        factory_dtype=factory_dtype,
        factory_threads=_threads(timings, "training", factory_dtype, most_threads("training", cores)),
    )


def most_threads(work: Work, cores: int) -> int:
    """Threads that this work may take of so many cores: the engine leaves half of them to its neighbours."""
    return cores if work == "training" else max(1, cores // 2)


def faster(timings: Sequence[Timing], work: Work) -> Dtype:
    """What this work is done in, by its timings in both dtypes with one thread; ValueError where one is absent."""
    exact, rounded = (_alone(timings, work, dtype) for dtype in ("float32", "bfloat16"))
    return "bfloat16" if rounded * WORTH < exact else "float32"


def _compile(timings: Sequence[Timing], engine_dtype: Dtype) -> Answer:
    """Whether a start may take longer for it; no where it was not tried or did not work."""
    compiled = _by_threads(timings, "compiled", engine_dtype).get(1)
    compiling = _by_threads(timings, "compiling", engine_dtype).get(1)
    if compiled is None or compiling is None or compiling > COMPILING_S:
        return "no"
    return "yes" if compiled * COMPILED < _alone(timings, "forward", engine_dtype) else "no"


def _pool(timings: Sequence[Timing], engine_dtype: Dtype) -> Dtype:
    """The pool's own type: half the memory, unless turning it into what is computed in shows in a step."""
    extra = _alone(timings, "gather", "bfloat16") - _alone(timings, "gather", "float32")
    if engine_dtype == "float32" and extra > GATHERED * _alone(timings, "forward", "float32"):
        return "float32"
    return "bfloat16"


def _alone(timings: Sequence[Timing], work: Work, dtype: Dtype) -> float:
    found = _by_threads(timings, work, dtype)
    if 1 not in found:
        raise ValueError(f"expected a timing of {work} in {dtype} with one thread")
    return found[1]


def _threads(timings: Sequence[Timing], work: Work, dtype: Dtype, most: int) -> int:
    """The last count whose doubling paid; counts that were not measured end the search."""
    found = _by_threads(timings, work, dtype)
    threads = 1
    while 2 * threads <= most and 2 * threads in found and found[threads] >= DOUBLING * found[2 * threads]:
        threads *= 2
    return threads


def _by_threads(timings: Sequence[Timing], work: Work, dtype: Dtype) -> Mapping[int, float]:
    return {timing.threads: timing.seconds for timing in timings if (timing.work, timing.dtype) == (work, dtype)}
