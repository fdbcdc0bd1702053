"""What is kept of a study, on disk: so that one that was stopped goes on, and training reads a track as it reads the
product's feature files."""

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from schemas.registry import AdapterRef
from training.study.trial.making import Made


@dataclass(frozen=True)
class Record:
    """One track that one listener heard.

    Attributes:
        listener: place of the listener in the population.
        key: names the track within the population.
        prompt: what was typed.
        file: its features.
        bpm: that it was made with.
        minor: that it was made with.
        satisfaction: the hidden truth, in [0, 1].
        stars: None when it was not rated.
        heard: share of it that was played.
        tempo_kept: whether the tempo that the prompt states is heard; None where it states none.
        instrument: log odds by which the tagger hears the instrument that the prompt states; None where it states none.
        copied: highest cosine of its latents with a stretch of an own song.
        scores: of the seeds that competed to become it, its own first; none where one ran alone.
    """

    listener: int
    key: str
    prompt: str
    file: str
    bpm: float
    minor: bool
    satisfaction: float
    stars: int | None
    heard: float
    tempo_kept: bool | None
    instrument: float | None
    copied: float
    scores: tuple[float, ...] = ()

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """`style`, `sound`, `latents`, `plan` and `start`."""
        tensors: dict[str, Tensor] = load_file(self.file)
        return tensors


@dataclass(frozen=True, eq=False)
class Part:
    """What a branch or arm came to in one cycle: tracks, the listeners' adapters, how many new ones the gate refused,
    and processor seconds of learning and of making."""

    records: list[Record]
    adapters: list[AdapterRef | None]
    refused: int = 0
    learning_s: float = 0.0
    making_s: float = 0.0

    def save(self, path: Path) -> None:
        """Whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        body = vars(self) | {
            "records": [asdict(record) for record in self.records],
            "adapters": [each and each.model_dump(mode="json") for each in self.adapters],
        }
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps(body))
        partial.replace(path)

    @staticmethod
    def load(path: Path) -> "Part":
        """What `save` wrote."""
        body = json.loads(path.read_text())
        body["records"] = [Record(**record | {"scores": tuple(record.get("scores", ()))}) for record in body["records"]]
        body["adapters"] = [each and AdapterRef.model_validate(each) for each in body["adapters"]]
        return Part(**body)


def keep(file: Path, made: Made) -> None:
    """Writes a track's features."""
    file.parent.mkdir(parents=True, exist_ok=True)
    names = ("style", "sound", "latents", "plan", "start")
    tensors = {name: getattr(made, name) for name in names}
    save_file({name: value.to(torch.float32).contiguous() for name, value in tensors.items()}, file)
