"""Facts to captions, in several phrasings; tags of recordings to captions.

Not for lyrics or titles: a caption says only what can be heard.
"""

from collections.abc import Sequence

from numpy.random import Generator

from training.base.arrange import Facts

# Tags below this probability are not said of a recording.
TAG_THRESHOLD = 0.18
# By pace and whether the mode is minor.
MOODS = {
    ("slow", True): ("sad", "melancholy", "dark"),
    ("slow", False): ("calm", "peaceful", "gentle"),
    ("medium tempo", True): ("wistful", "serious"),
    ("medium tempo", False): ("cheerful", "warm"),
    ("fast", True): ("dramatic", "tense", "driving"),
    ("fast", False): ("happy", "lively", "bright"),
}
SPOKEN_TAGS = (
    "guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast",
    "piano", "ambient", "beat", "violin", "synth", "harpsichord", "loud", "quiet", "flute", "pop",
    "soft", "choir", "new age", "dance", "harp", "cello", "weird", "metal", "choral",
)  # fmt: skip


def caption(facts: Facts, rng: Generator) -> str:
    """One of several ways to say some of the facts."""
    style = str(rng.choice(facts.words))
    parts = _details(facts, rng)
    form = int(rng.integers(5))
    if form == 0:
        return ", ".join([f"{_pace_adjective(facts)}{style} on {facts.instrument}", *parts])
    if form == 1:
        return ", ".join([facts.instrument, style, *parts])
    if form == 2:
        return " ".join([facts.pace, _mood(facts, rng), style, "with", facts.instrument])
    if form == 3:
        return f"{_mood(facts, rng)} {facts.instrument} music, {facts.pace}"
    kept = [facts.instrument, facts.pace, style, *parts]
    rng.shuffle(kept)
    return " ".join(kept)


def _pace_adjective(facts: Facts) -> str:
    return "" if facts.pace == "medium tempo" else f"{facts.pace} "


def _details(facts: Facts, rng: Generator) -> list[str]:
    """A random selection of the further facts."""
    known = [
        "with drums" if facts.drums else "no drums",
        facts.key if rng.random() < 0.5 else ("minor key" if facts.minor else "major key"),
        f"{facts.bpm} bpm",
        _mood(facts, rng),
        "" if facts.accompanied else f"solo {facts.instrument}",
        facts.kind if facts.kind not in ("tune", "chorale") else "",
        facts.loud,
    ]
    return [part for part in known if part and rng.random() < 0.5]


def _mood(facts: Facts, rng: Generator) -> str:
    return str(rng.choice(MOODS[facts.pace, facts.minor]))


def tag_caption(tags: Sequence[tuple[str, float]], genre: str, rng: Generator) -> str:
    """A caption of a recording from its tag probabilities and the genre of its collection."""
    said = [name for name, chance in tags if name in SPOKEN_TAGS and chance > TAG_THRESHOLD]
    rng.shuffle(said)
    words = said[: int(rng.integers(2, 6))]
    if rng.random() < 0.6 or not words:
        words.insert(0, genre)
    return (", " if rng.random() < 0.5 else " ").join(words)
