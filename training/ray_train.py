"""One long-lived Ray Train job around the factory's worker. Wiring only.

`DataParallelTrainer` and not its subclass `TorchTrainer`: that one imports torch in the driver, in the controller and
in the idle worker (half a gigabyte each) to form a process group, which one worker does not need.
"""

import os

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from training.settings import Settings
from training.worker import ROOT, loop

NAME = "encore-factory"


def connect(settings: Settings) -> None:
    """Makes this process a driver of the cluster, and installs Ray's own signal handlers.

    Raises:
        ConnectionError: no Ray cluster at the address.
    """
    # The default of two seconds delays every report and the discovery of a dead worker.
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.2")
    ray.init(
        address=settings.ray_address,
        # RAY_ADDRESS: Ray's own helpers look for their cluster, and another one may run on the machine.
        runtime_env={"env_vars": {"PYTHONPATH": str(ROOT), "RAY_ADDRESS": settings.ray_address}},
        configure_logging=False,
    )


def run(settings: Settings) -> None:
    """Starts the job and stays with it; a worker that dies is replaced, for ever.

    Raises:
        ray.train.TrainingFailedError: the job itself failed.
    """
    folder = settings.factory_folder.resolve()
    (folder / "ray").mkdir(parents=True, exist_ok=True)
    settings = settings.model_copy(
        update={"factory_folder": folder, "base_folder": (ROOT / settings.base_folder).resolve()}
    )
    resources = {"CPU": settings.factory_cpus} | ({"GPU": 1.0} if settings.factory_device.startswith("cuda") else {})
    trainer = DataParallelTrainer(
        loop,
        train_loop_config={"settings": settings.model_dump_json()},
        scaling_config=ScalingConfig(num_workers=1, use_gpu="GPU" in resources, resources_per_worker=resources),
        run_config=RunConfig(
            name=NAME, storage_path=str(folder / "ray"), failure_config=FailureConfig(max_failures=-1)
        ),
    )
    trainer.fit()
