"""Adapter versions in MLflow: one run a round, one registered model a listener. The only file that imports mlflow.

Every call may be repeated: what a killed process had done already is found by its tags and not done twice.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

from schemas.registry import CANDIDATE, model_name
from training.forgetting import Run

EXPERIMENT: Final = "encore-factory"
ROUND_TAG, SNAPSHOT_TAG, SHA256_TAG = "encore.round_id", "encore.snapshot_sha256", "encore.sha256"
RESULT = TypeVar("RESULT")
# MLflow's limits of one log_batch call.
METRICS_PER_CALL, PARAMS_PER_CALL = 1000, 100
RUNS_PER_CALL: Final = 1000


class RegistryUnavailable(Exception):
    """MLflow does not answer; trying again later is right."""


class Registry:
    """A client of one MLflow server. Raises RegistryUnavailable from every method when the server is away."""

    def __init__(self, url: str) -> None:
        # Importing mlflow takes seconds and 100 MB: only the process that registers pays for it.
        from mlflow.tracking import MlflowClient

        self._client = MlflowClient(tracking_uri=url, registry_uri=url)

    def run_of(self, round_id: UUID, params: Mapping[str, object], snapshot: bytes, snapshot_sha256: str) -> str:
        """The round's run, with parameters and snapshot in it; made if there is none.

        Returns:
            MLflow's run id.
        """
        return self._asked(lambda: self._run_of(round_id, params, snapshot, snapshot_sha256))

    def log_metrics(self, run_id: str, losses: Sequence[float], scores: Mapping[str, float]) -> None:
        """The mean loss of each step, and single numbers by name."""
        self._asked(lambda: self._log_metrics(run_id, losses, scores))

    def version(
        self, run_id: str, round_id: UUID, listener_id: UUID, data: bytes, tags: Mapping[str, str], *, candidate: bool
    ) -> int:
        """The version of this adapter in the listener's model, made if there is none.

        Args:
            data: the adapter file, stored as an artifact of the run.
            tags: of the version; `encore.sha256` among them.
            candidate: whether the alias goes to it; what a gate refused is kept, and is nobody's candidate.
        """
        return self._asked(lambda: self._version(run_id, round_id, listener_id, data, tags, candidate=candidate))

    def finish(self, run_id: str) -> None:
        self._asked(lambda: self._client.set_terminated(run_id, "FINISHED"))

    def runs(self) -> list[Run]:
        """Of all rounds, also those that an operator has deleted and MLflow still keeps."""
        return self._asked(self._runs)

    def names(self, run_id: str, folder: str) -> list[str]:
        """Of files and folders right below a folder of the run's artifacts."""
        found = self._asked(lambda: self._client.list_artifacts(run_id, folder))
        return [Path(each.path).name for each in found]

    def read(self, run_id: str, path: str) -> bytes:
        """An artifact's bytes."""
        return self._asked(lambda: self._read(run_id, path))

    def write(self, run_id: str, folder: str, name: str, data: bytes) -> None:
        """An artifact; the same again is no error."""
        self._asked(lambda: self._artifact(run_id, folder, name, data))

    def remove(self, run_id: str, path: str) -> None:
        """A file or a whole folder of the run's artifacts."""
        self._asked(lambda: self._remove(run_id, path))

    def name_snapshot(self, run_id: str, digest: str) -> None:
        """The versions that came of a run, then the run, name this snapshot."""
        self._asked(lambda: self._name_snapshot(run_id, digest))

    def remove_model(self, listener_id: UUID) -> None:
        """The listener's model with all its versions; none is no error."""
        self._asked(lambda: self._remove_model(model_name(listener_id)))

    def _runs(self) -> list[Run]:
        from mlflow.entities import ViewType

        found, token = [], None
        while True:
            page = self._client.search_runs(
                [self._experiment()], "", ViewType.ALL, max_results=RUNS_PER_CALL, page_token=token
            )
            found += [_run(each) for each in page]
            token = page.token
            if not token:
                return found

    def _read(self, run_id: str, path: str) -> bytes:
        with tempfile.TemporaryDirectory() as scratch:
            return Path(self._client.download_artifacts(run_id, path, scratch)).read_bytes()

    def _remove(self, run_id: str, path: str) -> None:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        root = self._client.get_run(run_id).info.artifact_uri
        get_artifact_repository(root, self._client.tracking_uri).delete_artifacts(path)

    def _name_snapshot(self, run_id: str, digest: str) -> None:
        for each in self._client.search_model_versions(f"run_id = '{run_id}'"):
            self._client.set_model_version_tag(each.name, each.version, SNAPSHOT_TAG, digest)
        self._client.set_tag(run_id, SNAPSHOT_TAG, digest)

    def _remove_model(self, name: str) -> None:
        from mlflow.exceptions import RestException

        try:
            self._client.delete_registered_model(name)
        except RestException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise

    def _run_of(self, round_id: UUID, params: Mapping[str, object], snapshot: bytes, snapshot_sha256: str) -> str:
        from mlflow.entities import Param

        experiment = self._experiment()
        found = self._client.search_runs([experiment], f"tags.`{ROUND_TAG}` = '{round_id}'", max_results=1)
        # The tag goes in with the run itself: a run without it would never be found again.
        tags = {ROUND_TAG: str(round_id), SNAPSHOT_TAG: snapshot_sha256}
        run = found[0] if found else self._client.create_run(experiment, tags=tags, run_name=f"round {round_id}")
        run_id = str(run.info.run_id)
        # Also for a run that was found: its maker may have been killed before it came to these.
        self._client.log_batch(run_id, params=[Param(k, str(v)) for k, v in params.items()][:PARAMS_PER_CALL])
        self._artifact(run_id, "snapshot", f"{snapshot_sha256}.json", snapshot)
        return run_id

    def _experiment(self) -> str:
        from mlflow.exceptions import RestException

        found = self._client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        try:
            return str(self._client.create_experiment(EXPERIMENT))
        except RestException:
            # Somebody else was quicker.
            found = self._client.get_experiment_by_name(EXPERIMENT)
            if found is None:
                raise
            return str(found.experiment_id)

    def _log_metrics(self, run_id: str, losses: Sequence[float], scores: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        metrics = [Metric("loss", value, 0, step) for step, value in enumerate(losses)]
        metrics += [Metric(name, value, 0, 0) for name, value in scores.items()]
        for first in range(0, len(metrics), METRICS_PER_CALL):
            self._client.log_batch(run_id, metrics=metrics[first : first + METRICS_PER_CALL])

    def _version(
        self, run_id: str, round_id: UUID, listener_id: UUID, data: bytes, tags: Mapping[str, str], *, candidate: bool
    ) -> int:
        name = model_name(listener_id)
        self._ensure_model(name, listener_id)
        version = self._find(name, round_id, tags[SHA256_TAG])
        if version is None:
            folder = f"adapters/{listener_id}"
            self._artifact(run_id, folder, f"{tags[SHA256_TAG]}.safetensors", data)
            source = f"{self._client.get_run(run_id).info.artifact_uri}/{folder}"
            tags = {**tags, ROUND_TAG: str(round_id)}
            made = self._client.create_model_version(name, source, run_id, tags=tags, await_creation_for=0)
            version = int(made.version)
        if candidate:
            self._client.set_registered_model_alias(name, CANDIDATE, str(version))
        return version

    def _ensure_model(self, name: str, listener_id: UUID) -> None:
        from mlflow.exceptions import RestException

        try:
            self._client.create_registered_model(name, tags={"encore.listener_id": str(listener_id)})
        except RestException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _find(self, name: str, round_id: UUID, sha256: str) -> int | None:
        for found in self._client.search_model_versions(f"name = '{name}'"):
            if found.tags.get(ROUND_TAG) == str(round_id) and found.tags.get(SHA256_TAG) == sha256:
                return int(found.version)
        return None

    def _artifact(self, run_id: str, folder: str, name: str, data: bytes) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / name
            path.write_bytes(data)
            self._client.log_artifact(run_id, str(path), folder)

    def _asked(self, call: Callable[[], RESULT]) -> RESULT:
        from mlflow.exceptions import MlflowException, RestException
        from requests.exceptions import RequestException

        try:
            return call()
        except RestException:
            raise
        except (MlflowException, RequestException) as error:
            raise RegistryUnavailable(str(error)) from error


def _run(found: Any) -> Run:
    data = found.data
    says = [word for pairs in (data.params, data.metrics, data.tags) for pair in pairs.items() for word in pair]
    return Run(
        run_id=found.info.run_id,
        round_id=data.tags.get(ROUND_TAG, ""),
        snapshot_sha256=data.tags.get(SNAPSHOT_TAG, ""),
        active=found.info.lifecycle_stage == "active",
        says="\n".join([str(found.info.run_name), *map(str, says)]),
    )


def version_tags(facts: Mapping[str, Any]) -> dict[str, str]:
    """Tags of a version, under our prefix."""
    return {f"encore.{name}": str(value) for name, value in facts.items()}
