"""Facts to captions, in several phrasings; tags of recordings to captions.

Not for lyrics or titles: a caption says only what can be heard.
"""

from collections.abc import Sequence

from numpy.random import Generator

from training.base.arrange import Facts

# Tags below this probability are not said of a recording.
TAG_THRESHOLD = 0.18
# Moods by pace and whether the mode is minor; the others need more than that, see `moods`.
MOODS = {
    ("slow", True): ("sad", "melancholy", "dark"),
    ("slow", False): ("calm", "peaceful", "gentle"),
    ("medium tempo", True): ("wistful", "serious"),
    ("medium tempo", False): ("cheerful", "warm"),
    ("fast", True): ("dramatic", "tense", "driving"),
    ("fast", False): ("happy", "lively", "bright"),
}
# Styles that are danced to, and those for the background.
DANCED, QUIET = ("folk dance", "electronic", "steel band"), ("ambient", "solo piano", "acoustic guitar", "folk air")
# What says nothing of the music, and how often no more than that is said.
ANYTHING = (
    "a tune", "some music", "music", "an instrumental piece", "instrumental", "a melody", "a nice tune", "a song",
    "something to listen to", "play me something", "a short piece of music", "instrumental music",
)  # fmt: skip
PLAIN_SHARE = 0.08
SPOKEN_TAGS = (
    "guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast",
    "piano", "ambient", "beat", "violin", "synth", "harpsichord", "loud", "quiet", "flute", "pop",
    "soft", "choir", "new age", "dance", "harp", "cello", "weird", "metal", "choral",
)  # fmt: skip


def caption(facts: Facts, rng: Generator) -> str:
    """One of several ways to say some of the facts."""
    if rng.random() < PLAIN_SHARE:
        return str(rng.choice(ANYTHING))
    style = str(rng.choice(facts.words))
    mood, parts = _mood(facts, rng), _details(facts, rng)
    match int(rng.integers(9)):
        case 0:
            return ", ".join([f"{_pace_adjective(facts)}{style} on {facts.instrument}", *parts])
        case 1:
            return ", ".join([facts.instrument, style, *parts])
        case 2:
            return f"{facts.pace} {mood} {style} with {facts.instrument}"
        case 3:
            return f"{mood} {facts.instrument} music, {facts.pace}"
        case 4:
            return _general(facts, style, mood, rng)
        case 5:
            return ", ".join([f"{_article(mood)} {mood} tune on {facts.instrument}", *parts[:3]])
        case 6:
            return ", ".join([f"{mood} {style} {_role(facts, rng)}".strip(), *parts[:3]])
        case _:
            kept = [facts.instrument, facts.pace, style, *parts]
            rng.shuffle(kept)
            return " ".join(kept)


def moods(facts: Facts) -> tuple[str, ...]:
    """What may be said of how the music feels: by pace and mode; slow or quiet without drums is calm unless it is
    loud, drums and pace drive, brass and timpani in major are grand, loud in minor is dark."""
    found = list(MOODS[facts.pace, facts.minor])
    if not facts.drums and facts.loud != "loud" and (facts.pace == "slow" or facts.loud == "soft"):
        found += ["calm", "quiet"]
    if facts.drums and facts.pace == "fast":
        found += ["driving", "energetic"]
    if facts.drums and not facts.minor and facts.style in ("brass march", "orchestral"):
        found += ["grand", "heroic"]
    if facts.minor and facts.loud == "loud":
        found += ["dark"]
    return tuple(dict.fromkeys(found))


def roles(facts: Facts) -> tuple[str, ...]:
    """What the music is good for: dances with drums that are not slow are for dancing, marches for marching; quiet
    styles without drums for the background, and slow ones for relaxing or, in major, for sleep."""
    found = []
    if facts.drums and facts.pace != "slow" and facts.style in DANCED:
        found += ["for dancing"]
    if facts.style == "brass march" and facts.pace != "slow":
        found += ["for a parade"]
    if not facts.drums and facts.loud != "loud" and facts.style in QUIET and facts.pace != "fast":
        found += ["for the background", "for working"]
    if not facts.drums and facts.loud != "loud" and facts.pace == "slow":
        found += ["to relax", *([] if facts.minor else ["as a lullaby"])]
    return tuple(found)


def _general(facts: Facts, style: str, mood: str, rng: Generator) -> str:
    """A style, a mood or a role alone."""
    role = _role(facts, rng)
    said = [style, f"{style} music", f"{mood} music", f"{mood} {style}", f"{_article(mood)} {mood} tune"]
    return str(rng.choice([*said, f"music {role}", f"{style} {role}"] if role else said))


def _role(facts: Facts, rng: Generator) -> str:
    found = roles(facts)
    return str(rng.choice(found)) if found else ""


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


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
    return str(rng.choice(moods(facts)))


def tag_caption(tags: Sequence[tuple[str, float]], genre: str, rng: Generator) -> str:
    """A caption of a recording from its tag probabilities and the genre of its collection."""
    said = [name for name, chance in tags if name in SPOKEN_TAGS and chance > TAG_THRESHOLD]
    rng.shuffle(said)
    words = said[: int(rng.integers(2, 6))]
    if rng.random() < 0.6 or not words:
        words.insert(0, genre)
    return (", " if rng.random() < 0.5 else " ").join(words)
