"""Weighted fine-tuning on a listener's songs and best-rated tracks, with target replacement.

After arXiv 2506.04852, "Updating Targets using Ratings": what was rated best for an input becomes the training target
of that input in the place of what was the target before, and the loss is weighted by the ratings. Here the inputs are
the listener's prompts; each keeps a small population of targets, from which a better track drives out the worst one.

Not a preference method: what a listener dislikes is only left out, never pushed away from.
"""

from collections import defaultdict

from training.snapshot import Example, ListenerFacts, RatedTrack

# Shrinkage of a listener's offset, as in the bias model of rating data: n / (n + 5).
PRIOR_RATINGS = 5.0
MIDDLE = 3.0
GOOD_STARS = 4
TARGETS_PER_PROMPT = 4
TARGETS = 32
# Of all that is trained on beside songs: tracks are the model's own, and too many of them hold it where it is.
TRACKS_PER_SONG_WEIGHT = 0.1
FULL_STANDING = 2.0
FLOOR = 0.2


def examples(facts: ListenerFacts) -> tuple[Example, ...]:
    """The listener's songs with weight 1 under no prompt, then the surviving targets of their prompts, best first.

    Where there are songs, the tracks together weigh at most a tenth of them.
    """
    songs = [Example.of_song(song) for song in facts.songs]
    tracks = [_example(track, offset(facts.tracks)) for track in survivors(facts.tracks)]
    return (*songs, *_lightened(tracks, TRACKS_PER_SONG_WEIGHT * len(songs)))


def offset(tracks: tuple[RatedTrack, ...]) -> float:
    """What this listener's middling rating is: their mean, drawn towards the middle of the scale while it is unsure."""
    if not tracks:
        return MIDDLE
    mean = sum(track.stars for track in tracks) / len(tracks)
    return MIDDLE + (mean - MIDDLE) * len(tracks) / (len(tracks) + PRIOR_RATINGS)


def survivors(tracks: tuple[RatedTrack, ...]) -> list[RatedTrack]:
    """What is left when every track has been offered to its prompt's population, best first."""
    middle = offset(tracks)
    liked: dict[str, list[RatedTrack]] = defaultdict(list)
    for track in tracks:
        if track.stars > middle or track.stars >= GOOD_STARS:
            liked[condition(track.prompt)].append(track)
    kept = []
    for prompt in sorted(liked):
        best = sorted(liked[prompt], key=_fitness, reverse=True)
        kept += best[:TARGETS_PER_PROMPT]
    return sorted(kept, key=_fitness, reverse=True)[:TARGETS]


def weight(track: RatedTrack, middle: float) -> float:
    """In (0, 1]: grows with the distance above the listener's middle, and a little with how much was heard."""
    standing = min(max((track.stars - middle) / FULL_STANDING, FLOOR), 1.0)
    return round(standing * _heard(track), 6)


def condition(prompt: str) -> str:
    """Prompts that differ only in case and spaces are one input."""
    return " ".join(prompt.casefold().split())


def _example(track: RatedTrack, middle: float) -> Example:
    return Example(
        source=track.track_id, features_url=track.features_url, prompt=track.prompt, weight=weight(track, middle)
    )


def _lightened(tracks: list[Example], most: float) -> list[Example]:
    """The same in proportion, together at most so heavy; 0 = without a bound."""
    total = sum(track.weight for track in tracks)
    if not most or total <= most:
        return tracks
    return [track.model_copy(update={"weight": round(track.weight * most / total, 6)}) for track in tracks]


def _fitness(track: RatedTrack) -> tuple[float, object, object]:
    # Of equals the newer survives: it was made by the better model.
    return track.stars * _heard(track), track.rated_at, track.track_id


def _heard(track: RatedTrack) -> float:
    return 0.85 if track.heard is None else 0.7 + 0.3 * track.heard
