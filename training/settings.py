"""What the factory is told by its environment; read once, in `training.main`."""

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from training.due import Rest, Rule
from training.snapshot import MethodName, Recipe


class Settings(BaseSettings):
    """`factory_folder` holds checkpoints and must be seen by every node that may run the worker."""

    model_config = SettingsConfigDict(env_prefix="ENCORE_", frozen=True, extra="ignore")

    postgres_dsn: str
    store_url: str
    mlflow_url: str = "http://127.0.0.1:5000"
    mlflow_username: str = ""
    mlflow_password: str = Field(default="", repr=False)
    ray_address: str = "127.0.0.1:6379"
    base_folder: Path = Path("serving/base")
    log_level: str = "INFO"
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=9103, ge=0, le=65535)

    factory_folder: Path
    factory_poll_s: float = Field(default=2.0, gt=0)
    factory_cpus: float = Field(default=0.1, gt=0, description="what the worker reserves with Ray, idle or not")
    factory_threads: int = Field(default=0, ge=0, description="0 takes as many as were measured to pay")
    factory_dtype: Literal["measured", "float32", "bfloat16"] = Field(
        default="measured", description="what is trained in; `measured` takes what is faster on this machine"
    )
    hardware_folder: Path | None = Field(
        default=None, description="where measurements of the machine are kept; unset, below the temporary folder"
    )
    factory_device: str = Field(default="cpu", description="cuda asks Ray for one GPU")
    factory_attempts: int = Field(
        default=5, ge=1, description="how often one round is tried before it counts as failed"
    )
    factory_listener_attempts: int = Field(
        default=3, ge=1, description="rounds that may fail for a reason of the listener's own before they rest"
    )
    factory_listener_rest_s: float = Field(
        default=3600.0,
        gt=0,
        le=86400,
        description="how long they rest at first; twice as long each time, at most a day",
    )
    factory_min_ratings: int = Field(
        default=20, ge=1, description="new ratings that start a round; who has half of them is taken along"
    )
    factory_upload_wait_s: float = Field(default=600.0, ge=0)
    factory_checkpoint_s: float = Field(default=10.0, ge=0)
    factory_slots: int = Field(default=32, ge=1, description="listeners that train at the same time")
    factory_method: MethodName = Field(
        default="songs", description="how songs, ratings and choices become training; docs/study.md compares them"
    )
    factory_rank: int = Field(default=8, ge=1)
    factory_steps: int = Field(default=60, ge=1)
    factory_learning_rate: float = Field(default=2e-3, gt=0)
    factory_rows: int = Field(default=1, ge=1, description="rows of one listener in a step")
    factory_row_budget: int = Field(default=24, ge=1, description="rows of all listeners in a step")
    factory_crop_frames: int = Field(default=108, ge=16, multiple_of=2)

    @property
    def rule(self) -> Rule:
        return Rule(self.factory_min_ratings, timedelta(seconds=self.factory_upload_wait_s))

    @property
    def rest(self) -> Rest:
        return Rest(self.factory_listener_attempts, timedelta(seconds=self.factory_listener_rest_s))

    @property
    def recipe(self) -> Recipe:
        return Recipe(
            method=self.factory_method,
            rank=self.factory_rank,
            steps=self.factory_steps,
            learning_rate=self.factory_learning_rate,
            rows=self.factory_rows,
            row_budget=self.factory_row_budget,
            crop_frames=self.factory_crop_frames,
        )
