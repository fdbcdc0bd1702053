"""Whether a transcriber follows a line through a clip: notes that take over from each other at singable distances.

Not whether the line is any good.
"""

from training.base.judges.notes import Notes

SECONDS = 4.0
# Seconds by which the next note may begin before the last ends, and after it.
OVERLAP, GAP = 0.12, 0.35
# Semitones between neighbours.
LEAP = 9
# Times that the pitch changes: fewer is a drone or a repeated note.
CHANGES = 5


def is_followed(notes: Notes, seconds: float = SECONDS) -> bool:
    """Whether some line lasts for `seconds`; `notes` as rows of start, end and pitch."""
    ordered = sorted(map(tuple, notes.tolist()))
    # Of the best line that ends with each note: when it began, and minus how often its pitch changed.
    lines: list[tuple[float, int]] = []
    for place, (start, end, pitch) in enumerate(ordered):
        best = (start, 0)
        for earlier in range(place):
            _, before_end, before_pitch = ordered[earlier]
            if -OVERLAP <= start - before_end <= GAP and abs(pitch - before_pitch) <= LEAP:
                began, changes = lines[earlier]
                best = min(best, (began, changes - (pitch != before_pitch)))
        lines.append(best)
        if end - best[0] >= seconds and -best[1] >= CHANGES:
            return True
    return False
