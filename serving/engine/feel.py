"""How a song moves, by ear: what tracks made after it take over. Not for what a prompt says: see `plan`."""

from torch import Tensor

from serving.engine.plan import Key
from serving.engine.rhythm import rhythm
from serving.engine.tonality import key_heard

# A shorter song is heard as if it went round.
SHORTEST_S = 8.0


def tempo_and_key(waveform: Tensor, sample_rate: int) -> tuple[float, Key]:
    """Beats a minute in [38, 200] and the key of a mono song [samples]."""
    rounds = -(-round(SHORTEST_S * sample_rate) // len(waveform))
    heard = waveform.repeat(rounds)
    return float(rhythm(heard[None], sample_rate)[0]), key_heard(heard, sample_rate)
