"""The sampler that judges use makes what the engine makes."""

import torch

from serving.engine.bases.shipped.checkpoint import random_base
from serving.engine.engine import Engine
from serving.engine.params import Job, Limits
from serving.engine.schedule import sampling
from serving.engine.windows import windows_over
from training.base.sample import denoise

FRAMES = 300


def test_a_long_track_equals_the_engines() -> None:
    base = random_base(0)
    generator = torch.Generator().manual_seed(1)
    start = torch.randn(1, FRAMES, 8, generator=generator)
    prompt, style = torch.randn(1, 24, 384, generator=generator), torch.randn(1, 200, generator=generator)
    plan = base.conditions.plan("90 bpm, A minor", FRAMES)
    heard = base.conditions.plan("A minor", FRAMES)
    ours = denoise(base, start, prompt, style, plan=plan[None], null_plan=heard[None])[0]
    defaults, windows = base.manifest.sampling, windows_over(base.codec, FRAMES)
    assert len(windows) > 1
    engine = Engine(base, Limits(rows=2, queue=1, slots=2, rank=4))
    engine.start()
    path = sampling(defaults.steps, defaults.shift)
    job = Job(
        "listener", start[0], path, prompt[0], style[0], defaults.guidance, windows=windows, plan=plan, null_plan=heard
    )
    made = engine.submit(job).future.result(120)
    engine.stop(drain_s=0)
    torch.testing.assert_close(ours, made, atol=1e-4, rtol=0)
