"""Whether a tempo is the one that was asked for. Not for hearing it: see `serving.engine.hearing.rhythm`."""

TOLERANCE = 0.08
OCTAVE_RATIOS = (0.5, 1.0, 2.0)
COMPOUND_RATIOS = (1 / 3, 2 / 3, 4 / 3)


def tempo_fits(found: float, asked: float, *, compound: bool) -> bool:
    """Whether a tempo is the asked one within 8 %, an octave up or down forgiven: half and double count as right.

    Prompts count quarters a minute, but in compound metre (3/8, 6/8, 9/8) the beat is the dotted quarter; there it and
    its half and double count as well.
    """
    ratios = OCTAVE_RATIOS + (COMPOUND_RATIOS if compound else ())
    return any(abs(found / (asked * ratio) - 1) <= TOLERANCE for ratio in ratios)
