"""What the study compares: each approach is a way of making a version out of feedback, and tracks with the version."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from training.snapshot import MethodName

# `none`: nothing of what was answered, so what is left is the approach without ratings.
Signal = Literal["stars", "time", "both", "permuted", "none"]
SIGNALS: tuple[Signal, ...] = ("stars", "time", "both", "permuted", "none")
# `time` takes no star, and what is trained without signs takes nothing else; so these are compared by stars alone.


@dataclass(frozen=True)
class Approach:
    """Attributes:
    adapter: method of `training.methods` that makes the training examples; None = no adapter.
    steered: style, tempo and mode move towards what was liked.
    controlled: the style is drawn from the version's controls, as the product does.
    bred: tracks start near the starts of what was rated best.
    choose: tracks made for each wish, of which the scorer takes one.
    rehearsed: seeds that compete, unheard, for each wish of the past, to become what the adapter learns.
    """

    adapter: MethodName | None = None
    steered: bool = False
    bred: bool = False
    controlled: bool = False
    choose: int = 1
    rehearsed: int = 0

    @property
    def chooses(self) -> bool:
        """Whether seeds compete, heard or not."""
        return max(self.choose, self.rehearsed) > 1


APPROACHES: Mapping[str, Approach] = {
    "songs": Approach(adapter="songs"),
    "weighted_sft": Approach(adapter="weighted_sft"),
    "signed": Approach(adapter="signed"),
    "threshold": Approach(adapter="threshold_guided"),
    "kto": Approach(adapter="diffusion_kto"),
    "distillation": Approach(adapter="distillation", rehearsed=4),
    "dpo": Approach(adapter="flow_dpo"),
    "rewards": Approach(adapter="staged_rewards"),
    "steering": Approach(steered=True),
    "songs+selection": Approach(adapter="songs", choose=8),
    "selection": Approach(choose=8),
    "selection-4": Approach(choose=4),
    "controls": Approach(controlled=True),
    "controls+selection": Approach(controlled=True, choose=8),
    "distillation+selection": Approach(adapter="distillation", rehearsed=4, choose=8),
    "evolution": Approach(bred=True),
    "steering+selection": Approach(steered=True, choose=8),
    "everything": Approach(adapter="signed", steered=True, choose=8),
}


@dataclass(frozen=True)
class Branch:
    """An approach that learns from one kind of signal; each branch has a life of its own from the second cycle on."""

    approach: str
    signal: Signal

    @property
    def name(self) -> str:
        return f"{self.approach} / {self.signal}"

    @property
    def made_by(self) -> Approach:
        return APPROACHES[self.approach]


def branches(approaches: tuple[str, ...], signals: tuple[Signal, ...]) -> list[Branch]:
    """Every approach with every signal; songs alone know none, and without a signal only a choice is left, or what was
    learned from one."""
    found = [
        Branch(name, signal)
        for name in approaches
        for signal in signals
        if name != "songs" and (signal != "none" or APPROACHES[name].chooses)
    ]
    return [Branch("songs", "stars")] * ("songs" in approaches) + found
