"""Whether a clip has what its prompt asks for: the lead instrument by a classifier of our own, tags by musicnn.

The classifier learns from clips of training tunes; its accuracy on real clips of held-out tunes stands beside every
figure that it gives.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from diffusers.models.autoencoders.autoencoder_mmaudio import mel_filterbank
from torch import Tensor
from torch.nn import functional

from serving.engine.hearing.style import TAGS
from training.base.arrange import Facts
from training.base.render import SAMPLE_RATE

WINDOW, HOP, BANDS = 2048, 512, 96
# Under it nothing counts as heard: the floor of the codec's own spectrogram.
FLOOR = 2.5e-3
RIDGE = 2e-3
STEPS = 150


def _leads(*names: str) -> Callable[[Facts], bool]:
    return lambda facts: facts.instrument in names


# Tags that a prompt can ask for, and whether one does.
ASKED: Mapping[str, Callable[[Facts], bool]] = {
    "piano": _leads("piano"),
    "violin": _leads("violin", "fiddle"),
    "cello": _leads("cello"),
    "guitar": _leads("nylon guitar", "steel guitar", "electric guitar", "overdriven guitar", "distorted guitar"),
    "flute": _leads("flute", "pan flute", "recorder", "whistle"),
    "harpsichord": _leads("harpsichord"),
    "harp": _leads("harp"),
    "sitar": _leads("sitar"),
    "choir": _leads("choir"),
    "synth": _leads("saw synth", "square synth", "synth pad"),
    "drums": lambda facts: facts.drums,
    "slow": lambda facts: facts.pace == "slow",
    "fast": lambda facts: facts.pace == "fast",
}


def timbre(audio: Tensor) -> Tensor:
    """Statistics over time of the log-mel spectrum and of its rise [batch, samples] -> [batch, 672]."""
    window = torch.hann_window(WINDOW)
    magnitude = torch.stft(audio, WINDOW, HOP, window=window, return_complex=True).abs()
    basis = mel_filterbank(SAMPLE_RATE, WINDOW, BANDS, 40.0, SAMPLE_RATE / 2)
    log = torch.log(torch.matmul(basis, magnitude) + FLOOR)
    rise = log.diff(dim=2)
    quantiles = torch.quantile(log, torch.tensor([0.1, 0.5, 0.9]), dim=2)
    return torch.cat([log.mean(2), log.std(2), rise.abs().mean(2), rise.clamp_min(0).amax(2), *quantiles], dim=1)


class InstrumentClassifier:
    """Logistic regression on `timbre`; the same clips give the same classifier."""

    def __init__(self, features: Tensor, instruments: Sequence[str]) -> None:
        """Args:
        features: of training clips [clips, size].
        instruments: the lead of each.
        """
        self._names = sorted(set(instruments))
        self._mean, self._std = features.mean(0), features.std(0).clamp_min(1e-6)
        labels = torch.tensor([self._names.index(name) for name in instruments])
        scaled = self._scaled(features)
        self._weight = torch.zeros(features.shape[1], len(self._names), requires_grad=True)
        self._bias = torch.zeros(len(self._names), requires_grad=True)
        optimiser = torch.optim.LBFGS([self._weight, self._bias], max_iter=STEPS, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimiser.zero_grad()
            value = functional.cross_entropy(scaled @ self._weight + self._bias, labels)
            value = value + RIDGE / 2 * self._weight.square().sum()
            value.backward()  # type: ignore[no-untyped-call]
            return value

        optimiser.step(loss)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def name(self, features: Tensor) -> list[str]:
        """The likeliest lead of each clip [clips, size]."""
        best = (self._scaled(features) @ self._weight + self._bias).argmax(1)
        return [self._names[index] for index in best.tolist()]

    def _scaled(self, features: Tensor) -> Tensor:
        return (features - self._mean) / self._std


def tagger_auc(tags: Tensor, facts: Sequence[Facts]) -> float:
    """Chance that a tag is likelier in a clip whose prompt asks for it than in one whose prompt does not (area under
    the ROC curve), a mean over the tags of `ASKED` that at least two prompts ask for; NaN if there is none.

    Args:
        tags: musicnn's probabilities [clips, 50].
        facts: what the prompt of each clip asks for.
    """
    areas = []
    for name, asks in ASKED.items():
        asked = torch.tensor([asks(each) for each in facts])
        if 2 <= int(asked.sum()) <= len(facts) - 2:
            column = tags[:, TAGS.index(name)]
            ahead = column[asked][:, None] - column[~asked]
            areas.append(float((ahead > 0).float().mean() + 0.5 * (ahead == 0).float().mean()))
    return sum(areas) / len(areas) if areas else float("nan")
