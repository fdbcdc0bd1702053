"""The palette of the arranger: ensembles of General MIDI sounds, and how captions name them.

Not for rules: how an ensemble plays is decided in `arrange`.
"""

from dataclasses import dataclass

# General MIDI programs (from 0) that carry a melody, with the word a listener would use.
LEADS = {
    0: "piano", 4: "electric piano", 6: "harpsichord", 10: "music box", 11: "vibraphone",
    12: "marimba", 19: "church organ", 21: "accordion", 24: "nylon guitar", 25: "steel guitar",
    27: "electric guitar", 29: "overdriven guitar", 30: "distorted guitar", 40: "violin", 42: "cello", 46: "harp",
    48: "strings", 52: "choir", 56: "trumpet", 57: "trombone", 58: "tuba", 60: "french horn",
    61: "brass section", 65: "saxophone", 68: "oboe", 71: "clarinet", 73: "flute",
    74: "recorder", 75: "pan flute", 79: "ocarina", 80: "square synth", 81: "saw synth", 88: "synth pad",
    104: "sitar", 105: "banjo", 107: "koto", 114: "steel drums", 109: "bagpipe", 110: "fiddle", 78: "whistle",
}  # fmt: skip

# Lowest and highest pitch at which a lead sounds natural.
RANGES = {
    0: (55, 91), 4: (52, 84), 6: (55, 86), 10: (67, 96), 11: (57, 86), 12: (52, 86),
    19: (52, 84), 21: (57, 88), 24: (50, 81), 25: (50, 81), 27: (50, 83), 29: (48, 79), 30: (48, 79),
    40: (57, 93), 42: (40, 67), 46: (52, 91), 48: (55, 88), 52: (52, 79), 56: (55, 82),
    57: (43, 69), 58: (34, 57), 60: (45, 72), 61: (48, 79), 65: (50, 79), 68: (59, 88),
    71: (53, 86), 73: (62, 95), 74: (62, 93), 75: (60, 91), 79: (62, 91), 80: (55, 91),
    81: (55, 91), 104: (50, 77), 105: (52, 84), 107: (50, 82), 114: (55, 86), 88: (52, 79),
    109: (57, 81), 110: (57, 91), 78: (67, 96),
}  # fmt: skip


@dataclass(frozen=True)
class Ensemble:
    """A family of styles: its names, sounds and habits; ranges are (least, most)."""

    name: str
    words: tuple[str, ...]
    leads: tuple[int, ...]
    # Chord instruments, and the patterns they may play.
    chords: tuple[int, ...]
    patterns: tuple[str, ...]
    basses: tuple[int, ...]
    grooves: tuple[str, ...]
    kits: tuple[int, ...]
    # Melody notes a second: what slow and fast mean here.
    pace: tuple[float, float]
    # How late the second half of a beat may come: 0 = even, 0.33 = triplets.
    swings: tuple[float, ...] = (0.0,)
    # How the bass may move, and what a second voice may do; "" = there is none.
    lines: tuple[str, ...] = ("root", "two")
    seconds: tuple[str, ...] = ("", "thirds", "line")
    sevenths: bool = False
    weight: float = 1.0


ENSEMBLES = (
    Ensemble("solo piano", ("solo piano", "piano solo", "quiet piano"), (0,), (0,),
             ("arpeggio", "block", "alberti"), (), (), (), (1.2, 5.0),
             swings=(0.0, 0.0, 0.2), weight=1.5),
    Ensemble("folk dance", ("folk dance", "celtic folk", "irish folk"), (110, 40, 21, 105, 78, 109),
             (25, 24), ("strum", "offbeat"), (32, 33), ("bodhran", "folk"), (0, 40), (3.5, 6.5),
             swings=(0.0, 0.0, 0.15, 0.3), weight=2.0),
    Ensemble("folk air", ("folk air", "gentle folk", "celtic air"), (73, 78, 40, 46, 75, 74, 79),
             (46, 24, 48), ("arpeggio", "pad"), (), (), (), (1.2, 3.2), weight=1.5),
    Ensemble("acoustic guitar", ("acoustic guitar", "fingerpicked guitar", "guitar solo"), (24, 25),
             (24, 25), ("arpeggio", "alberti"), (), (), (), (1.5, 5.0), weight=1.2),
    Ensemble("orchestral", ("orchestral", "classical orchestra", "symphonic"),
             (40, 42, 48, 60, 68, 71, 73), (48, 48, 49), ("pad", "block"), (43, 42),
             ("timpani", ""), (48,), (1.4, 4.5), weight=1.5),
    Ensemble("brass march", ("march", "brass band", "military march"), (56, 57, 61, 60),
             (61, 57), ("offbeat", "block"), (58,), ("march",), (0, 48), (2.0, 5.0), weight=1.3),
    Ensemble("baroque", ("baroque", "harpsichord music", "early music"), (6, 74, 68, 40), (6,),
             ("block", "arpeggio", "alberti"), (42,), (), (), (2.0, 5.5)),
    Ensemble("electronic", ("electronic dance", "techno", "synth pop"), (80, 81, 81, 4), (88, 90, 81),
             ("pulse", "pad", "arpeggio"), (38, 39), ("four", "break", "funk"), (24, 25), (2.5, 5.5),
             swings=(0.0, 0.0, 0.12), lines=("eighths", "root"), seconds=("", "line"), weight=2.0),
    Ensemble("ambient", ("ambient", "new age", "calm ambient"), (88, 11, 75, 46, 4), (89, 91, 95),
             ("pad",), (), (), (), (0.7, 1.8), weight=1.2),
    Ensemble("rock", ("rock", "hard rock", "metal"), (30, 29, 27), (29, 30), ("power",), (33, 34),
             ("rock", "half"), (16, 8), (2.5, 5.5), swings=(0.0, 0.0, 0.3),
             lines=("eighths",), seconds=("", "thirds"), weight=1.5),
    Ensemble("jazz", ("jazz", "swing jazz", "smooth jazz"), (65, 11, 56, 0, 27), (0, 4, 26),
             ("comp",), (32,), ("ride", "brushes"), (32, 40), (2.0, 4.5), swings=(0.2, 0.3, 0.33),
             lines=("walk",), seconds=("", "line"), sevenths=True, weight=1.2),
    Ensemble("music box", ("music box", "toy music", "lullaby"), (10, 12, 11), (10, 46),
             ("arpeggio",), (), (), (), (1.4, 3.5), weight=0.7),
    Ensemble("indian", ("indian sitar", "sitar", "raga"), (104,), (104,), ("drone",), (),
             ("bodhran",), (0,), (2.0, 5.0), seconds=("",), weight=0.5),
)  # fmt: skip

# Styles that the base never hears in training: what a listener can bring that is new to it.
HELD_OUT_ENSEMBLES = (
    Ensemble("steel band", ("steel band", "steel drums", "calypso"), (114,), (114, 12), ("offbeat", "arpeggio"),
             (32,), ("folk",), (0,), (2.5, 5.0)),
    Ensemble("koto", ("koto", "japanese koto"), (107,), (107,), ("arpeggio", "drone"), (), (), (), (1.2, 4.0)),
)  # fmt: skip

# Chord instruments whose tones are struck one after another.
STRUMMED = (24, 25, 26, 46, 107)

# Four-part settings: all voices on one sound.
CHORALE_SOUNDS = {52: "choir", 19: "church organ", 48: "strings", 61: "brass section", 0: "piano"}


def lead_word(program: int) -> str:
    """How captions call a lead sound."""
    return LEADS[program]
