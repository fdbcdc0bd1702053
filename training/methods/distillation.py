"""Distillation of selection: the track that won its contest of seeds becomes a target of the adapter, so that one seed
gives what several gave.

Expert iteration (Anthony, Tian and Barber 2017, arXiv 1705.08439): the expert is the model with a search on top of it,
here the best of N seeds by the listener's judge; the apprentice learns what the expert chose, and the next search
starts from the apprentice. With the best of N as the expert this is RAFT (arXiv 2304.06767), and what flow matching on
the winners draws to is the law of the best of N (BOND, arXiv 2407.14622),

    p_N(x) = N F(s(x))^(N - 1) p(x),    F(s) the chance that a track of the model scores less than s.

A winner weighs what its choice gained, in deviations of satisfaction and bounded: where all seeds were alike the choice
says nothing. Of what lost only the scores are there; nobody keeps its latents.

Half of the rows are songs. Below so many contests that gained anything songs are all there is. No answer of a listener
is read: what they think of tracks is in the judge, and in it as far as it was believed.
"""

from collections.abc import Sequence
from statistics import fmean

from schemas.generation import Competitor
from training.snapshot import Contest, Example, ListenerFacts

FEWEST = 8
# The newest: what older versions made is further from what this one would make.
MOST = 24
# Deviations of satisfaction that count in full; the best of four gains about as much.
FULL = 1.0
SONG_SHARE = 0.5


def examples(facts: ListenerFacts) -> tuple[Example, ...]:
    """The listener's songs under no prompt, then the winners under their prompts, oldest first; all with target 1."""
    songs = [Example.of_song(song) for song in facts.songs]
    return (*songs, *_winners(facts.contests, len(songs) * (1 - SONG_SHARE) / SONG_SHARE))


def gained(competitors: Sequence[Competitor]) -> float:
    """How much better the chosen one scored than the mean of all, at least 0: what those who went on had ahead
    halfway, and what the winner had ahead of those at the end. 0 where nobody was chosen or nothing was scored."""
    winner = next((each for each in competitors if each.chosen), None)
    if winner is None:
        return 0.0
    last = [each for each in competitors if each.final is not None] or [winner]
    halfway = _ahead([each.halfway for each in last], [each.halfway for each in competitors])
    return max(0.0, halfway + _ahead([winner.final], [each.final for each in last]))


def _ahead(some: Sequence[float | None], everyone: Sequence[float | None]) -> float:
    """Difference of the means of what was scored; 0 where nothing was."""
    first, second = ([value for value in values if value is not None] for values in (some, everyone))
    return fmean(first) - fmean(second) if first and second else 0.0


def _winners(contests: Sequence[Contest], together: float) -> list[Example]:
    """Weighing `together` as much as a song each; without songs they share a weight of their number."""
    gains = [(contest, min(gained(contest.competitors) / FULL, 1.0)) for contest in contests]
    told = [(contest, gain) for contest, gain in gains if gain > 0][-MOST:]
    if len(told) < FEWEST:
        return []
    share = (together or len(told)) / sum(gain for _, gain in told)
    return [
        Example(
            source=contest.track_id,
            features_url=contest.features_url,
            prompt=contest.prompt,
            weight=max(round(gain * share, 6), 1e-6),
        )
        for contest, gain in told
    ]
