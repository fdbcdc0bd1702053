"""The published music tagger `musicnn` (Pons and Serra 2019, MTT weights) in torch.

Reads the TensorFlow checkpoint out of the installed package without TensorFlow: a
LevelDB table names the tensors, one raw file holds them. Not for training: the weights
are frozen and batch normalisation uses its stored statistics.
"""

import struct
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_mmaudio import mel_filterbank
from torch import Tensor, nn
from torch.nn import functional

from serving.engine.errors import PackageError

PACKAGE = "musicnn"
WEIGHTS = "MTT_musicnn"
SAMPLE_RATE = 16_000
WINDOW, HOP, BANDS = 512, 256, 96
PATCH_FRAMES = 187
TABLE_MAGIC = 0xDB4775248B80FB57
FOOTER_BYTES = 48
NORM_EPSILON = 1e-3
# Convolutions of the front end, which are pooled over the bands, and of the middle.
FRONT, MIDDLE = 5, 3


class Musicnn(nn.Module):
    """Patches of log-mel frames to (features before the last layer, tag logits)."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        for name, value in (weights | dict(_kernels(weights))).items():
            self.register_buffer(_slot(name), value, persistent=False)
        basis = mel_filterbank(SAMPLE_RATE, WINDOW, BANDS, 0.0, SAMPLE_RATE / 2)
        self.register_buffer("basis", basis, persistent=False)
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)

    def spectrogram(self, waveform: Tensor) -> Tensor:
        """Compressed mel power of audio at 16 kHz [batch, samples] -> [batch, frames, 96]."""
        window = self.get_buffer("window")
        spectrum = torch.stft(waveform, WINDOW, HOP, window=window, return_complex=True, pad_mode="constant")
        power = torch.matmul(self.get_buffer("basis"), spectrum.abs().square())
        return torch.log10(10_000 * power + 1).transpose(1, 2)

    def forward(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """Features [batch, 200] and logits [batch, 50] of patches [batch, 187, 96]."""
        front = self._frontend(patches)
        features = torch.cat([front, *self._midend(front)], dim=1)
        # Max and mean of one channel lie side by side in the dense layer's input.
        pooled = torch.stack([features.amax(2), features.mean(2)], dim=2).flatten(1)
        pooled = self._norm(pooled, 9)
        hidden = self._norm(functional.relu(self._dense(pooled, 0)), 10)
        return hidden, self._dense(hidden, 1)

    def _frontend(self, patches: Tensor) -> Tensor:
        image = self._norm(patches[:, None], 0)
        timbre = functional.pad(image, (0, 0, 3, 3))
        maps = [self._block(timbre, 0), self._block(timbre, 1)]
        for layer, length in ((2, 128), (3, 64), (4, 32)):
            # TensorFlow's "same" puts the odd cell of an even kernel at the end.
            maps.append(self._block(functional.pad(image, (0, 0, (length - 1) // 2, length // 2)), layer))
        return torch.cat(maps, dim=1)

    def _block(self, image: Tensor, layer: int) -> Tensor:
        """Convolution, ReLU and normalisation, then the highest of all bands.

        The last two keep order, or turn it in channels whose scale is negative. So the highest is taken first, of
        values with the scale's sign: the rest has a band's work to do instead of all bands'.
        """
        sign = self._weight("conv2d", layer, "sign")[:, None]
        highest = functional.conv2d(image, *self._kernel(layer)).amax(3)
        return self._norm(functional.relu(highest * sign), layer + 1)

    def _midend(self, front: Tensor) -> list[Tensor]:
        maps: list[Tensor] = []
        for layer in (5, 6, 7):
            below = maps[-1] if maps else front
            heard = functional.conv1d(below, *self._kernel(layer), padding=3)
            found = self._norm(functional.relu(heard), layer + 1)
            maps.append(found + below if maps else found)
        return maps

    def _weight(self, kind: str, index: int, part: str) -> Tensor:
        return self.get_buffer(_slot(_name(kind, index, part)))

    def _kernel(self, layer: int) -> tuple[Tensor, Tensor]:
        return self._weight("conv2d", layer, "kernel"), self._weight("conv2d", layer, "bias")

    def _norm(self, value: Tensor, layer: int) -> Tensor:
        names = ("moving_mean", "moving_variance", "gamma", "beta")
        mean, variance, gamma, beta = (self._weight("batch_normalization", layer, name) for name in names)
        return functional.batch_norm(value, mean, variance, gamma, beta, eps=NORM_EPSILON)

    def _dense(self, value: Tensor, layer: int) -> Tensor:
        return value @ self._weight("dense", layer, "kernel") + self._weight("dense", layer, "bias")


def load_musicnn() -> Musicnn:
    """The frozen network from the installed package; PackageError if it is absent or odd."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise PackageError(f"package {PACKAGE} is not installed: it carries the style encoder")
    return Musicnn(read_checkpoint(Path(spec.origin).parent / WEIGHTS)).eval()


def read_checkpoint(folder: Path) -> dict[str, Tensor]:
    """Every model tensor of a TensorFlow checkpoint by name, optimiser state left out."""
    data = (folder / ".data-00000-of-00001").read_bytes()
    tensors = {}
    for key, value in _table((folder / ".index").read_bytes()):
        if key and "Adam" not in key and "power" not in key:
            shape, offset, size = _entry(value)
            array = np.frombuffer(data[offset : offset + size], dtype="<f4").reshape(shape)
            tensors[key.removeprefix("model/")] = torch.from_numpy(array.copy())
    return tensors


def _kernels(weights: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Kernels as torch takes them: those of the front in two dimensions, with their biases times the sign of their
    scale, and that sign; those of the middle see all bands at once and have one."""
    for layer in range(FRONT + MIDDLE):
        kernel_name, bias_name, sign_name = (_name("conv2d", layer, part) for part in ("kernel", "bias", "sign"))
        if layer >= FRONT:
            yield kernel_name, weights[kernel_name][:, :, 0].permute(2, 1, 0).contiguous()
            continue
        sign = torch.where(weights[_name("batch_normalization", layer + 1, "gamma")] < 0, -1.0, 1.0)
        yield kernel_name, (weights[kernel_name] * sign).permute(3, 2, 0, 1).contiguous()
        yield bias_name, weights[bias_name] * sign
        yield sign_name, sign


def _name(kind: str, index: int, part: str) -> str:
    """Of the checkpoint's tensors, where the first of a kind has no number."""
    return f"{kind}_{index}/{part}" if index else f"{kind}/{part}"


def _slot(name: str) -> str:
    return name.replace("/", "__")


def _table(raw: bytes) -> Iterator[tuple[str, bytes]]:
    """Key and value of each row of an uncompressed LevelDB table."""
    footer = raw[-FOOTER_BYTES:]
    if struct.unpack("<Q", footer[-8:])[0] != TABLE_MAGIC:
        raise PackageError("the style encoder's checkpoint index is not a LevelDB table")
    position = 0
    for _ in range(2):
        _, position = _varint(footer, position)
    index_offset, position = _varint(footer, position)
    index_size, _ = _varint(footer, position)
    for _, handle in _block(raw[index_offset : index_offset + index_size]):
        offset, position = _varint(handle, 0)
        size, _ = _varint(handle, position)
        yield from _block(raw[offset : offset + size])


def _block(raw: bytes) -> Iterator[tuple[str, bytes]]:
    restarts = struct.unpack("<I", raw[-4:])[0]
    end = len(raw) - 4 - 4 * restarts
    position, key = 0, b""
    while position < end:
        shared, position = _varint(raw, position)
        fresh, position = _varint(raw, position)
        size, position = _varint(raw, position)
        key = key[:shared] + raw[position : position + fresh]
        position += fresh
        yield key.decode("latin-1"), raw[position : position + size]
        position += size


def _entry(raw: bytes) -> tuple[list[int], int, int]:
    """Shape, offset and size out of a BundleEntryProto."""
    shape: list[int] = []
    numbers = {4: 0, 5: 0}
    for field, value in _fields(raw):
        if field == 2 and isinstance(value, bytes):
            shape = [_dimension(part) for tag, part in _fields(value) if tag == 2]
        elif isinstance(value, int):
            numbers[field] = value
    return shape, numbers[4], numbers[5]


def _dimension(raw: bytes | int) -> int:
    sizes = [value for tag, value in _fields(raw if isinstance(raw, bytes) else b"") if tag == 1]
    return int(sizes[0]) if sizes else 0


def _fields(raw: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Field numbers and values of a protocol buffer message."""
    position = 0
    while position < len(raw):
        tag, position = _varint(raw, position)
        field, kind = tag >> 3, tag & 7
        if kind == 0:
            value, position = _varint(raw, position)
            yield field, value
        elif kind == 2:
            size, position = _varint(raw, position)
            yield field, raw[position : position + size]
            position += size
        else:
            position += 4 if kind == 5 else 8


def _varint(raw: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
