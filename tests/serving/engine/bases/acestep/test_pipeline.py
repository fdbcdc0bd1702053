"""A checkpoint of diffusers' ACE-Step pipeline in the engine makes what that pipeline makes.

The checkpoint is a randomly initialised miniature of the pipeline's own classes, saved and loaded.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_oobleck import OobleckDiagonalGaussianDistribution
from diffusers.pipelines.ace_step import AceStepPipeline
from peft import LoraConfig, get_peft_model_state_dict
from torch import Tensor

from serving.engine.adapters.files import dump, parse
from serving.engine.adapters.pool import Factors, targets
from serving.engine.bases.acestep.checkpoint import seal
from serving.engine.bases.base import Base
from serving.engine.bases.load import load_base
from serving.engine.engine import Engine
from serving.engine.errors import PromptError
from serving.engine.hearing.style import resample
from serving.engine.music.noise import fresh
from serving.engine.params import Job, Limits
from serving.engine.schedule import sampling
from serving.engine.windows import windows_for
from tests.serving.engine.miniature import CHANNELS, HIDDEN, save
from tests.serving.engine.parts import RANK, adapter, key

PROMPT, FRAMES, STEPS, SHIFT = "slow piano, calm", 50, 6, 3.0
SECONDS = FRAMES / 25


class Both:
    """One checkpoint twice: as diffusers' pipeline and as our base."""

    def __init__(self, folder: Path, *, turbo: bool = False) -> None:
        self.folder, self.pipeline, self.base = folder, save(folder, turbo=turbo), load_base(folder)

    def theirs(self, guidance: float, prompt: str = PROMPT, **more: Any) -> Tensor:
        """Latents of the pipeline for the same start, tracks being instrumental."""
        latents: Tensor = self.pipeline(
            prompt=prompt, lyrics="[Instrumental]", vocal_language="unknown", audio_duration=SECONDS,
            num_inference_steps=STEPS, guidance_scale=guidance, shift=SHIFT, latents=fresh(1, FRAMES, CHANNELS)[None],
            output_type="latent", **more,
        ).audios  # fmt: skip
        return latents[0]

    def job(self, guidance: float, prompt: str = PROMPT, style: Tensor | None = None, **more: Any) -> Job:
        """The same as a job of the engine."""
        return Job(
            listener="anyone",
            start=fresh(1, FRAMES, CHANNELS),
            path=sampling(STEPS, SHIFT),
            prompt=self.base.text.encode([prompt], SECONDS)[0],
            style=torch.zeros(HIDDEN) if style is None else style,
            guidance=guidance,
            **more,
        )


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    return Both(tmp_path_factory.mktemp("acestep"))


def ours(base: Base, *jobs: Job, adapters: dict[int, Factors] | None = None) -> list[Tensor]:
    """Latents of jobs that run in one batch of an engine of their own."""
    engine = Engine(base, Limits(rows=8, queue=8, slots=8, rank=RANK), torch.float32)
    for number, factors in (adapters or {}).items():
        engine.install(key(number), factors)
    tickets = [engine.submit(job) for job in jobs]
    engine.start()
    try:
        return [ticket.future.result(120) for ticket in tickets]
    finally:
        engine.stop(0)
        engine._pool.detach()


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_the_engine_makes_what_the_pipeline_makes(both: Both, guidance: float) -> None:
    (latents,) = ours(both.base, both.job(guidance))
    assert latents.std() > 0.1
    torch.testing.assert_close(latents, both.theirs(guidance), rtol=0, atol=1e-4)


def test_guidance_prompt_and_length_each_change_the_result(both: Both) -> None:
    plain, guided, other = ours(both.base, both.job(1.0), both.job(4.0), both.job(1.0, "fast drums"))
    assert (plain - guided).abs().max() > 1e-2
    assert (plain - other).abs().max() > 1e-3
    states = [both.base.text.encode([PROMPT], seconds) for seconds in (10, 20)]
    assert not torch.equal(*states)


def test_rows_of_different_prompts_in_one_batch_are_as_alone(both: Both) -> None:
    prompts = ("", "slow piano, calm", "a much longer prompt about drums, strings and a choir")
    together = ours(both.base, *(both.job(4.0, prompt) for prompt in prompts))
    for prompt, latents in zip(prompts, together, strict=True):
        torch.testing.assert_close(latents, both.theirs(4.0, prompt), rtol=0, atol=1e-4)


def test_a_song_is_heard_as_the_pipelines_reference(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    # The pipeline draws from the autoencoder's posterior; the engine takes its mean.
    monkeypatch.setattr(OobleckDiagonalGaussianDistribution, "sample", OobleckDiagonalGaussianDistribution.mode)
    song = torch.sin(torch.arange(22_050 * 4) * 0.05)[None] * 0.3
    rate = both.base.codec.sample_rate
    (latents,) = ours(both.base, both.job(1.0, style=both.base.style.embed(song, rate)[0]))
    reference = resample(song, rate, 48_000).expand(2, -1)
    torch.testing.assert_close(latents, both.theirs(1.0, reference_audio=reference), rtol=0, atol=1e-4)
    assert (latents - ours(both.base, both.job(1.0))[0]).abs().max() > 1e-3


def test_given_music_is_told_as_the_pipeline_tells_it(both: Both) -> None:
    source, keep = torch.randn(1, FRAMES, CHANNELS), torch.zeros(1, FRAMES)
    keep[:, 10:30] = 1
    plan = both.base.conditions.plan("120 bpm", FRAMES)[None]
    nothing, some = (both.base.conditions.context(source, given, plan) for given in (keep * 0, keep))
    silence, _ = both.pipeline.prepare_src_latents(torch.device("cpu"), torch.float32, latent_length=FRAMES)
    assert torch.equal(nothing, torch.cat([silence, torch.ones_like(silence)], dim=-1))
    mask = both.pipeline._build_chunk_mask(
        "repaint", FRAMES, 1, torch.device("cpu"), torch.float32, CHANNELS, 10 / 25, 30 / 25, has_src_audio=True
    )
    # The pipeline's window is what is made anew, ours what is kept.
    assert torch.equal(some[..., CHANNELS:], 1 - mask)
    assert torch.equal(some[..., :CHANNELS], torch.where(mask > 0, source, silence))


def test_adapters_in_one_batch_are_as_alone(both: Both) -> None:
    factors = {number: adapter(both.base, number) for number in (1, 2)}
    jobs = [both.job(4.0, adapter=key(number)) for number in (1, 2)]
    together = ours(both.base, *jobs, both.job(4.0), adapters=factors)
    alone = [ours(both.base, job, adapters={number: factors[number]})[0] for number, job in enumerate(jobs, start=1)]
    for first, second in zip(together, alone, strict=False):
        torch.testing.assert_close(first, second, rtol=0, atol=1e-4)
    assert (together[0] - together[1]).abs().max() > 1e-3
    torch.testing.assert_close(together[2], both.theirs(4.0), rtol=0, atol=1e-4)


def test_an_adapter_of_diffusers_loads_and_sounds_the_same(both: Both, tmp_path: Path) -> None:
    pipeline = save(tmp_path)
    names = ["to_q", "to_k", "to_v", "to_out.0", "gate_proj", "up_proj"]
    config = LoraConfig(r=RANK, lora_alpha=RANK, target_modules=names, init_lora_weights=False)
    pipeline.transformer.add_adapter(config)
    AceStepPipeline.save_lora_weights(tmp_path, get_peft_model_state_dict(pipeline.transformer))
    data = (tmp_path / "pytorch_lora_weights.safetensors").read_bytes()
    factors = parse(data, targets(both.base.transformer), RANK).factors
    (latents,) = ours(both.base, both.job(1.0, adapter=key(1)), adapters={1: factors})
    both.pipeline, pipeline = pipeline, both.pipeline
    theirs = both.theirs(1.0)
    both.pipeline = pipeline
    torch.testing.assert_close(latents, theirs, rtol=0, atol=1e-4)
    assert (latents - both.theirs(1.0)).abs().max() > 1e-3


def test_our_adapter_loads_in_diffusers(both: Both, tmp_path: Path) -> None:
    factors = adapter(both.base, 3)
    digest = both.base.manifest.base_hash
    (tmp_path / "adapter.safetensors").write_bytes(dump(factors, base_hash=digest, snapshot_sha256="0" * 64, steps=1))
    other = Both.__new__(Both)
    other.pipeline = save(tmp_path / "checkpoint")
    other.pipeline.load_lora_weights(tmp_path, weight_name="adapter.safetensors")
    (latents,) = ours(both.base, both.job(1.0, adapter=key(3)), adapters={3: factors})
    torch.testing.assert_close(latents, other.theirs(1.0), rtol=0, atol=1e-4)


def test_audio_goes_in_and_out_at_the_products_rate(both: Both) -> None:
    codec = both.base.codec
    latents = codec.encode(torch.randn(2, 22_050) * 0.1)
    assert latents.shape == (2, codec.frames_for(1.0), CHANNELS)
    waveform = codec.decode(latents)
    assert waveform.shape == (2, latents.shape[1] * codec.samples_per_frame)
    with torch.no_grad():
        stereo = both.pipeline.vae.decode(latents.transpose(1, 2)).sample
    torch.testing.assert_close(waveform, resample(stereo.mean(1), 48_000, 22_050))
    with pytest.raises(ValueError, match=r"expected a waveform \[batch, samples\]"):
        codec.encode(torch.zeros(22_050))


def test_a_track_is_made_at_once_and_hardly_longer_than_asked(both: Both) -> None:
    for seconds in (2.0, 10.0, 33.3, 120.0):
        (window,) = windows_for(both.base.codec, seconds)
        assert 0 <= window.frames / 25 - seconds < 2


def test_a_turbo_checkpoint_is_not_guided(tmp_path: Path) -> None:
    turbo = Both(tmp_path, turbo=True)
    assert turbo.base.manifest.sampling.guidance == 1.0
    (latents,) = ours(turbo.base, turbo.job(turbo.base.manifest.sampling.guidance))
    torch.testing.assert_close(latents, turbo.theirs(7.0), rtol=0, atol=1e-4)


def test_a_prompt_beyond_what_is_read_is_refused(both: Both) -> None:
    both.base.text.check("穏やかなピアノ")
    with pytest.raises(PromptError, match=r"\d+ tokens, expected <= \d+ tokens") as caught:
        both.base.text.check("x" * 300)
    assert caught.value.code == "prompt_too_long"


def test_a_seal_sets_the_sampling_and_the_hash_stays(both: Both, tmp_path: Path) -> None:
    save(tmp_path)
    before = load_base(tmp_path).manifest
    sealed = seal(tmp_path, steps=12, guidance=5.0)
    after = load_base(tmp_path).manifest
    assert (after.sampling.steps, after.sampling.guidance, after.sampling.shift) == (12, 5.0, before.sampling.shift)
    assert before.base_hash == sealed.base_hash == after.base_hash == both.base.manifest.base_hash
    with pytest.raises(ValueError, match=r"guidance: expected a number >= 0, got -1"):
        seal(tmp_path, guidance=-1.0)
