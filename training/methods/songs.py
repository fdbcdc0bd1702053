"""The listener's songs and nothing else: flow matching on them, as low-rank personalisation of a diffusion model is
done from a few pictures of one thing (arXiv 2208.12242, equation 1 without its prior term; factors arXiv 2106.09685).

Rows of rated tracks hold an adapter where it is, with true stars as with permuted ones (docs/study.md), so it is made
without; what a listener answers is in the judge of seeds and the controls of the same version.

Who brought no song has their own tracks only, and learns from those as `signed` does.
"""

from training.methods import signed
from training.snapshot import Example, ListenerFacts


def examples(facts: ListenerFacts) -> tuple[Example, ...]:
    """The listener's songs under no prompt; without any, their rated tracks, or none where those are too few."""
    return tuple(Example.of_song(song) for song in facts.songs) or signed.examples(facts)
