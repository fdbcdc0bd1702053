"""What listeners type: mostly little, sometimes an instrument or a tempo, seldom both."""

import numpy as np

PLAIN = ("", "music", "a tune", "something new", "a short piece of music", "play me something", "instrumental music")
MOODS = ("something calm", "a happy tune", "sad music", "music to work to", "something with energy", "a slow piece")
INSTRUMENTS = ("piano", "flute", "guitar", "violin", "strings", "choir", "synth", "drums")
TEMPI = (70, 90, 110, 130, 150)
# Shares of prompts; the rest states instrument and tempo.
PLAIN_SHARE, MOOD_SHARE, INSTRUMENT_SHARE, TEMPO_SHARE = 0.55, 0.15, 0.15, 0.1


def typed(rng: np.random.Generator) -> str:
    """One prompt."""
    kind = rng.random()
    if kind < PLAIN_SHARE:
        return str(rng.choice(PLAIN))
    if kind < PLAIN_SHARE + MOOD_SHARE:
        return str(rng.choice(MOODS))
    instrument, bpm = str(rng.choice(INSTRUMENTS)), int(rng.choice(TEMPI))
    if kind < PLAIN_SHARE + MOOD_SHARE + INSTRUMENT_SHARE:
        return f"a piece for {instrument}"
    if kind < PLAIN_SHARE + MOOD_SHARE + INSTRUMENT_SHARE + TEMPO_SHARE:
        return f"a tune, {bpm} bpm"
    return f"{instrument}, {bpm} bpm"
