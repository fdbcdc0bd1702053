"""Publishing an adapter while tracks are made: our broadcast against an update of Ray Serve's `user_config`.

Both applications run beside each other on one Ray cluster of this run's own, one replica each, and are loaded in turn
over HTTP. Ours also decodes and stores its tracks.
"""

import hashlib
import logging
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import ray
from ray import serve
from ray.serve.context import _get_global_client
from ray.serve.schema import ApplicationStatus, ServeDeploySchema

from schemas.engine_token import headers
from schemas.generation import GenerationRequest, Progress
from schemas.registry import AdapterRef
from serving.app import ROOT, application
from serving.engine.adapters.files import dump
from serving.engine.bases.base import Base
from serving.main import PATIENCE
from serving.settings import Settings
from tests.benchmarks.peers import adapter
from tests.benchmarks.publish_peer import TRACK_S
from tests.benchmarks.report import Goal, Line, line

PUBLISHED, CLIENTS = 5, 2
FIGURE = f"publish a version while {CLIENTS} clients ask for tracks of {TRACK_S:.0f} s"
OURS, PEER = (
    "ours: `POST /adapters`, answered by every replica",
    "Ray Serve: `user_config` update, until a request meets it",
)
MOST_MS, NONE = Goal(50, most=True), Goal(0, most=True)
WAIT_S, ANSWER_S = 180.0, 5.0
TOKEN = "a-token-for-measuring"


def measure(base: Base, _cap: int) -> list[Line]:
    """Lines of both sides: milliseconds a publish, and requests that failed meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        files = [_write(Path(folder), base, version) for version in range(1, PUBLISHED + 2)]
        with _cluster() as url, httpx.Client(base_url=url, headers=headers(TOKEN), timeout=WAIT_S) as client:
            _start_ours(url, folder)
            _declare_peer(client, files[0], 1)
            ours = _measure_ours(client, folder, files, base.manifest.base_hash)
            theirs = _measure_peer(client, files)
    return [one for pair in zip(ours, theirs, strict=True) for one in pair]


def _measure_ours(client: httpx.Client, folder: str, files: list[Path], base_hash: str) -> list[Line]:
    refs = [_ref(file, version, base_hash) for version, file in enumerate(files, start=1)]
    newest = [refs[0]]

    def track() -> bool:
        ref = newest[-1]
        asked = GenerationRequest(
            track_id=uuid4(),
            listener_id=ref.listener_id,
            arm="candidate",
            seconds=TRACK_S,
            prompt="piano",
            seed=0,
            adapter=ref,
            destination=f"file://{folder}/{uuid4()}",
        )
        answer = client.post("/tracks", json=asked.model_dump(mode="json"))
        return answer.is_success and Progress.model_validate_json(answer.text.splitlines()[-1]).stage == "done"

    def publish(version: int) -> None:
        ref = refs[version - 1]
        answer = client.post("/adapters", json=[ref.model_dump(mode="json")])
        if any(one["problem"] for one in answer.raise_for_status().json()["adapters"]):
            raise RuntimeError(f"the adapter was refused: {answer.text}")
        newest.append(ref)

    return _lines(OURS, MOST_MS, *_published(track, publish))


def _measure_peer(client: httpx.Client, files: list[Path]) -> list[Line]:
    def track() -> bool:
        return client.get("/peer", params={"track": 1}).is_success

    def publish(version: int) -> None:
        _declare_peer(client, files[version - 1], version)

    return _lines(PEER, None, *_published(track, publish))


def _published(track: Callable[[], bool], publish: Callable[[int], None]) -> tuple[list[float], list[bool]]:
    """Milliseconds of each publish, and of each track meanwhile whether it was made."""
    with _load(track) as load:
        milliseconds = []
        for version in range(2, PUBLISHED + 2):
            began = time.perf_counter()
            publish(version)
            milliseconds.append(1000 * (time.perf_counter() - began))
            _another_track(load)
    return milliseconds, load


def _lines(side: str, most: Goal | None, milliseconds: list[float], load: list[bool]) -> list[Line]:
    failed = Line(f"{FIGURE}: failed requests", side, load.count(False), f"of {len(load)}", goal=most and NONE)
    return [line(FIGURE, side, milliseconds, "ms", most), failed]


@contextmanager
def _load(track: Callable[[], bool]) -> Iterator[list[bool]]:
    """Clients that ask for one track after the other, from the first that is made to the end of the block."""
    load: list[bool] = []
    stop = threading.Event()

    def client() -> None:
        while not stop.is_set():
            try:
                load.append(track())
            except httpx.HTTPError:
                load.append(False)

    clients = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in clients:
        thread.start()
    try:
        _another_track(load)
        yield load
    finally:
        stop.set()
        for thread in clients:
            thread.join()


@contextmanager
def _cluster() -> Iterator[str]:
    """A Ray cluster of our own with Serve on it; the address of its door."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        serve.start(
            proxy_location="HeadOnly",
            http_options={"host": "127.0.0.1", "port": port},
            controller_options={"runtime_env": {"env_vars": PATIENCE}},
        )
        yield f"http://127.0.0.1:{port}"
        serve.shutdown()
    finally:
        ray.shutdown()


def _start_ours(url: str, folder: str) -> None:
    settings = Settings(
        store_url=f"file://{folder}",
        base_folder=ROOT / "serving/base",
        engine_url=url,
        engine_token=TOKEN,
        log_level="error",
    )
    serve.run(application(settings), name="encore", route_prefix="/")


def _declare_peer(client: httpx.Client, file: Path, version: int) -> None:
    """Starts the peer, or updates it where it runs; returns when a request meets the version."""
    declared = {
        "name": "peer",
        "route_prefix": "/peer",
        "import_path": "tests.benchmarks.publish_peer:build",
        "runtime_env": {"env_vars": {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}},
        "deployments": [{"name": "peer", "user_config": {"path": str(file), "version": version}}],
    }
    # What `serve deploy` does; `serve.run` would count every update as new code and restart the replica.
    _get_global_client().deploy_apps(ServeDeploySchema.model_validate({"applications": [declared]}))
    until = time.monotonic() + WAIT_S
    while not _has_version(client, version):
        peer = serve.status().applications["peer"]
        if peer.status is ApplicationStatus.DEPLOY_FAILED or time.monotonic() > until:
            raise RuntimeError(f"the peer is {peer.status} without version {version}: {peer.message}")
        time.sleep(0.02)


def _has_version(client: httpx.Client, version: int) -> bool:
    """Whether the peer answers with it; before it is up there is no answer, or that of another application."""
    try:
        answer = client.get("/peer", timeout=ANSWER_S)
    except httpx.TimeoutException:
        return False
    return answer.is_success and bool(answer.json()["version"] == version)


def _write(folder: Path, base: Base, version: int) -> Path:
    """An adapter file; every version differs."""
    data = dump(adapter(base, version), base_hash=base.manifest.base_hash, snapshot_sha256="0" * 64, steps=1)
    file = folder / f"{version}.safetensors"
    file.write_bytes(data)
    return file


def _ref(file: Path, version: int, base_hash: str) -> AdapterRef:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return AdapterRef(
        listener_id=UUID(int=1), version=version, url=f"file://{file}", sha256=digest, base_hash=base_hash
    )


def _another_track(load: list[bool]) -> None:
    """Waits until one more track is made, so that every publish meets tracks at work."""
    until, before = time.monotonic() + WAIT_S, load.count(True)
    while load.count(True) == before:
        if time.monotonic() > until:
            raise RuntimeError(f"no track was made in {WAIT_S:.0f} s; {load.count(False)} failed")
        time.sleep(0.05)
