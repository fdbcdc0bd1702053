"""Decoding as the latents come gives the sound of decoding them at once, and no listener hears where a chunk begins."""

import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from serving.engine.bases.shipped.checkpoint import ShippedBase, load_shipped, random_base
from serving.engine.bases.shipped.codec import REFERENCE_RMS, Codec
from serving.engine.sound.chunks import MARGIN, Chunks

ROOT = Path(__file__).parents[4]
CUTS = (60, 120, 180)


@pytest.fixture(scope="module")
def base() -> ShippedBase:
    return load_shipped(ROOT / "serving" / "base")


@pytest.fixture(scope="module")
def music(base: ShippedBase) -> Tensor:
    """Latents of ten seconds of a chord with a beat [216, channels]."""
    rate = base.codec.sample_rate
    time = torch.arange(216 * base.codec.samples_per_frame) / rate
    chord = torch.stack([torch.sin(2 * math.pi * hertz * time) for hertz in (220.0, 277.2, 329.6, 440.0)]).sum(0)
    wave = chord * torch.exp(-3 * (time % 0.5))
    return base.codec.encode((wave * REFERENCE_RMS / wave.square().mean().sqrt())[None])[0]


def chunked(codec: Codec, latents: Tensor, cuts: tuple[int, ...]) -> list[Tensor]:
    """The chunks that come out when the latents come in pieces."""
    chunks, edges = Chunks(codec), (0, *cuts, len(latents))
    return [
        chunks.add(latents[start:stop], last=stop == len(latents))
        for start, stop in pairwise(edges)
    ]  # fmt: skip


def test_one_piece_is_decoding_at_once(base: ShippedBase, music: Tensor) -> None:
    (whole,) = chunked(base.codec, music[:48], ())
    assert torch.equal(whole, base.codec.decode(music[None, :48])[0])


@settings(max_examples=5, deadline=None)
@given(st.lists(st.integers(1, 95), max_size=4, unique=True))
def test_chunks_have_the_length_of_the_whole(cuts: list[int]) -> None:
    codec = random_base(0).codec
    pieces = chunked(codec, torch.zeros(96, codec.latent_channels), tuple(sorted(cuts)))
    assert sum(map(len, pieces)) == 96 * codec.samples_per_frame


def test_chunks_sound_like_the_whole(base: ShippedBase, music: Tensor) -> None:
    """Their spectrum differs by less than the vocoder itself misses it by."""
    codec = base.codec
    whole, pieces = codec.decode(music[None]), torch.cat(chunked(codec, music, CUTS))[None]
    wanted = codec.decode_mel(music[None])
    missed = (codec.mel(whole) - wanted).abs().mean()
    assert (codec.mel(pieces) - wanted).abs().mean() < 1.1 * missed


def test_the_spectrum_of_a_chunk_is_that_of_the_whole(base: ShippedBase, music: Tensor) -> None:
    """Before any phases: what the decoder's attention sees less of changes it by a tenth of its own error of 0.24."""
    whole = base.codec.decode_mel(music[None])[0]
    for start, stop in ((60, 120), (120, 180)):
        part = base.codec.decode_mel(music[None, start - MARGIN : stop + MARGIN])[0, :, 2 * MARGIN : -2 * MARGIN]
        assert (part - whole[:, 2 * start : 2 * stop]).abs().mean() < 0.024


def test_there_is_no_click_and_no_gap_where_chunks_meet(base: ShippedBase, music: Tensor) -> None:
    codec, pieces = base.codec, chunked(base.codec, music, CUTS)
    joined = torch.cat(pieces)
    jumps = joined.diff().abs()
    # A beat apart from its like before and after: the music repeats every half second.
    period = codec.sample_rate // 2
    hop = codec.config.mel.hop
    at = 0
    for piece in pieces[:-1]:
        at += len(piece)
        assert jumps[at - 1] <= jumps[at - period : at + period].quantile(0.999)
        for place in (at - hop, at):
            level = joined[place : place + hop].square().mean().sqrt()
            like = [joined[place + k * period :][:hop].square().mean().sqrt() for k in (-2, -1, 1)]
            assert 0.6 * min(like) < level < max(like) / 0.6
