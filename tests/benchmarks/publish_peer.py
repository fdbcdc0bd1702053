"""How an adapter is published with Ray Serve's own means: a deployment whose `user_config` names it."""

import asyncio
from pathlib import Path
from typing import Any

import torch
from ray import serve
from starlette.requests import Request

from serving.app import ROOT
from serving.engine.adapters.files import parse
from serving.engine.adapters.pool import targets
from serving.engine.bases.load import load_base
from tests.benchmarks.peers import RANK, Injected, PeftSet
from tests.benchmarks.servers import denoise, request

TRACK_S = 2.0


class Peer:
    """One replica, one adapter; a new `user_config` replaces it in place."""

    def __init__(self, base_folder: Path) -> None:
        torch.set_num_threads(1)
        self._base = load_base(base_folder)
        self._injected = Injected(self._base, 1)
        self._way = PeftSet(self._injected)
        self._track = request(self._base, 0, 0, TRACK_S)
        self._version = 0

    def reconfigure(self, config: dict[str, Any]) -> None:
        """Serve calls this at start and for every update."""
        given = parse(Path(config["path"]).read_bytes(), targets(self._base.transformer), RANK).factors
        self._injected.write(0, given)
        self._version = config["version"]

    async def __call__(self, request: Request) -> dict[str, int]:
        """Says which version it holds, after a track with it if `track` is asked for."""
        version = self._version
        if "track" in request.query_params:
            await asyncio.to_thread(denoise, self._base, self._way, [self._track])
        return {"version": version}


def build(_arguments: dict[str, str]) -> serve.Application:
    """For a declared deployment: only there does Serve change `user_config` without a restart of the replica."""
    deployment = serve.deployment(Peer).options(name="peer", ray_actor_options={"num_cpus": 0.5})
    return deployment.bind(ROOT / "serving/base")
