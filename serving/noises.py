"""The noise that a song would come from: found after the song was answered, or by the first track that needs it.

It lies beside the song's features under a name of its own, so that a song can be used as soon as it is
safe. Whoever needs it and finds none makes it: a replica that ends in the middle owes nobody anything.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

import structlog
import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from serving.engine.params import Job
from serving.engine.schedule import inversion
from serving.errors import Refused, refused
from serving.features import dump_features

if TYPE_CHECKING:
    from serving.studio import Studio

LOG = structlog.get_logger()
INVERSION_STEPS = 16
NAME = "noise.safetensors"


class Noises:
    """Finds each song's noise once, however many ask."""

    def __init__(self, studio: "Studio") -> None:
        self._studio = studio
        self._finding: dict[str, asyncio.Task[Tensor]] = {}

    def follow(self, features_url: str, features: Mapping[str, Tensor]) -> None:
        """Starts to find a song's noise; returns at once. What goes wrong is left to the first track that needs it."""
        self._task(features_url, features)

    async def of(self, features_url: str, features: Mapping[str, Tensor]) -> Tensor:
        """The noise of a song [frames, channels].

        Args:
            features_url: of the song's feature file.
            features: what that file holds: `latents` and `style`, and in files of former versions `noise`.

        Raises:
            Refused: 422 the stored noise is none, or the store or the engine cannot serve it now.
        """
        if "noise" in features:
            return features["noise"]
        try:
            data = await self._studio.read(self._studio.blobs.read, _beside(features_url), field="songs")
        except Refused as refusal:
            if refusal.status != 404:
                raise
            # One who leaves must not take it from the others who wait for it.
            return await asyncio.shield(self._task(features_url, features))
        try:
            noise: Tensor = load(data)["noise"]
        except (SafetensorError, KeyError) as error:
            raise refused(422, "bad_features", f"Not a song's noise: {error}", field="songs") from error
        if noise.shape != features["latents"].shape:
            raise refused(422, "bad_features", "This noise is not of this song.", field="songs")
        return noise

    def _task(self, features_url: str, features: Mapping[str, Tensor]) -> asyncio.Task[Tensor]:
        running = self._finding.get(features_url)
        if running is not None and not running.done():
            return running
        task = asyncio.get_running_loop().create_task(self._find(features_url, features))
        self._finding[features_url] = task
        task.add_done_callback(lambda done: self._ended(features_url, done))
        return task

    async def _find(self, features_url: str, features: Mapping[str, Tensor]) -> Tensor:
        noise = await self._studio.outcome(self._studio.submit(self._inversion(features_url, features)))
        await self._studio.read(self._studio.blobs.write, _beside(features_url), dump_features(noise=noise))
        return noise

    def _ended(self, features_url: str, task: asyncio.Task[Tensor]) -> None:
        if self._finding.get(features_url) is task:
            del self._finding[features_url]
        if not task.cancelled() and (error := task.exception()) is not None:
            LOG.warning("noise_not_found", features_url=features_url, error=str(error))

    def _inversion(self, features_url: str, features: Mapping[str, Tensor]) -> Job:
        """The ODE from the song back to the noise it would come from, under its own style."""
        base = self._studio.base
        return Job(
            listener=features_url,
            start=features["latents"],
            path=inversion(INVERSION_STEPS, base.manifest.sampling.shift),
            prompt=torch.zeros(base.conditions.prompt_shape),
            style=features["style"],
        )


def _beside(features_url: str) -> str:
    return f"{features_url.rpartition('/')[0]}/{NAME}"
