"""How a song moves, by ear: what tracks made after it take over, and the plan that it could have been made by.

Not for what a prompt says: see `music.plan`.
"""

import torch
from torch import Tensor

from serving.engine.hearing.rhythm import HOP, onset_envelope, rhythm
from serving.engine.hearing.tonality import key_heard
from serving.engine.music.plan import Feel, Metre

# A shorter song is heard as if it went round.
SHORTEST_S = 8.0
# Tempi around the song's that a stretch of it is tried at, as shares of it, and how many beginnings of a beat.
NEARBY, BEGINNINGS = torch.linspace(0.98, 1.02, 17), 48
QUARTERS = 4


def feel_heard(waveform: Tensor, sample_rate: int) -> Feel:
    """Tempo, in [38, 200] beats a minute, and key of a mono song [samples]."""
    rounds = -(-round(SHORTEST_S * sample_rate) // len(waveform))
    heard = waveform.repeat(rounds)
    return Feel(float(rhythm(heard[None], sample_rate)[0]), key_heard(heard, sample_rate))


def metre_heard(stretch: Tensor, sample_rate: int, bpm: float) -> Metre:
    """Where the beats of a stretch of a song of that tempo fall, in bars of four [samples].

    Beats fall where a comb of their distance meets most onsets, and bars begin at the loudest of every four.
    """
    envelope = onset_envelope(stretch[None], sample_rate)[0]
    rate = sample_rate / HOP
    distances = 60 / (bpm * NEARBY)
    starts = torch.arange(BEGINNINGS) / BEGINNINGS
    beats = torch.arange(max(1, int(len(envelope) / rate / float(distances.max())) - 1))
    times = distances[:, None, None] * (starts[:, None] + beats)
    met = envelope[(times * rate).round().long().clamp_max(len(envelope) - 1)]
    tempo, start = divmod(int(met.mean(2).argmax()), BEGINNINGS)
    quarter = float(distances[tempo])
    loudness = _loudness(stretch[round(float(starts[start]) * quarter * sample_rate) :], round(quarter * sample_rate))
    loudest = max(range(min(QUARTERS, len(loudness))), key=lambda first: float(loudness[first::QUARTERS].mean()))
    return Metre(quarter, QUARTERS, -(float(starts[start]) + loudest) * quarter % (QUARTERS * quarter))


def _loudness(sound: Tensor, beat: int) -> Tensor:
    """Mean power of each beat of so many samples; the last may be cut short [samples] -> [beats]."""
    return torch.stack([part.square().mean() for part in torch.split(sound, beat)])
