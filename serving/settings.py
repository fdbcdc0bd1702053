"""What the engine's driver is told by its environment; read once in `main` and sent to the replicas."""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, FilePath, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.engine_token import tokens

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]


class Settings(BaseSettings):
    """A field `name` is the variable `ENCORE_NAME`. Times are in seconds."""

    model_config = SettingsConfigDict(env_prefix="ENCORE_", frozen=True, extra="ignore", hide_input_in_errors=True)

    ray_address: str = "127.0.0.1:6379"
    engine_url: str = "http://127.0.0.1:8000"
    engine_token: SecretStr
    engine_certificate: FilePath | None = None
    """Certificate of an `https` engine, with those that signed it, in PEM."""
    engine_key: FilePath | None = None
    """The certificate's private key, in PEM."""
    store_url: str
    base_folder: Path = Path("serving/base")
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    engine_device: str = "cpu"
    engine_dtype: Literal["measured", "float32", "bfloat16"] = "measured"
    """What the denoiser computes in; `measured` takes what is faster on this machine."""
    engine_pool_dtype: Literal["measured", "float32", "bfloat16"] = "measured"
    """What adapters are held in; float32 takes twice the memory."""
    engine_threads: Annotated[int, Field(ge=0)] = 0
    """Threads of one forward. 0 takes as many as were measured to pay, of half the cores."""
    engine_compile: Literal["measured", "no", "yes"] = "measured"
    """Whether the denoiser is compiled at each start; `measured` does where a GPU gains by it. Needs a C++ compiler."""
    engine_replicas: Count = 1
    """Processes with one engine each; with `engine_max_replicas` above it, the fewest."""
    engine_max_replicas: Count | None = None
    """Most replicas that autoscaling starts; without it their number is fixed."""
    engine_target_requests: Positive = 8.0
    """Unfinished requests a replica that autoscaling aims at; about half of `engine_rows`."""
    engine_spill: Annotated[float, Field(ge=1)] = 1.25
    """A listener's requests go to one replica until it has more than this times the mean of all replicas."""
    engine_drain_s: Positive = 20.0
    """How long a replica that is told to leave may take to finish what it has at hand."""
    engine_rows: Annotated[int, Field(ge=0)] = 0
    """Most rows of one forward; a track with guidance takes two. 0 finds the number by profiling at the first start."""
    engine_queue: Count = 48
    """Requests that may wait in one replica; one more is told to come back."""
    engine_slots: Annotated[int, Field(ge=2)] = 4096
    """Adapters resident in one replica, the base included; at least what may wait or run at once."""
    engine_rank: Count = 8
    hardware_folder: Path | None = None
    """Where it is kept what was measured of this machine; unset, below the system's temporary folder."""
    engine_cache_folder: Path | None = None
    """Where copies of adapters from a remote blob store are kept; unset, below the system's temporary folder."""
    engine_cache_bytes: Count = 4 * 2**30
    """Most bytes of those copies."""
    engine_deadline_s: Positive = 300.0
    """A track that is not denoised by then fails."""
    engine_stuck_s: Positive = 30.0
    """A replica whose step takes longer is replaced; a track it is silent of for as long is asked of another."""
    engine_seeds: Annotated[int, Field(ge=1, le=8)] = 8
    """Most seeds that compete for one track while nobody else waits; 1 makes every track from its own seed."""
    engine_decoders: Count = 1
    """Threads that turn latents into audio and songs into features."""

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("engine_token")
    @classmethod
    def _is_long_enough(cls, value: SecretStr) -> SecretStr:
        tokens(value.get_secret_value())
        return value

    @field_validator("engine_rows")
    @classmethod
    def _room_for_guidance(cls, value: int) -> int:
        if value == 1:
            raise ValueError("engine_rows must be 0 or at least 2: a track with guidance takes two")
        return value

    @field_validator("base_folder")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        """Replicas run in a folder of their own."""
        return value.absolute()

    @model_validator(mode="after")
    def _has_address(self) -> Self:
        parts = urlsplit(self.engine_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or not parts.port:
            raise ValueError("engine_url must be http://host:port or https://host:port")
        files = {self.engine_certificate is not None, self.engine_key is not None}
        if files != {parts.scheme == "https"}:
            raise ValueError("engine_certificate and engine_key belong to an https engine_url, and it to both")
        return self

    @model_validator(mode="after")
    def _has_room_to_scale(self) -> Self:
        if self.engine_max_replicas is not None and self.engine_max_replicas < self.engine_replicas:
            raise ValueError("engine_max_replicas must be at least engine_replicas")
        return self

    @property
    def tls(self) -> dict[str, str]:
        """Ray Serve's options for `https`."""
        if self.engine_certificate is None:
            return {}
        return {"ssl_certfile": str(self.engine_certificate), "ssl_keyfile": str(self.engine_key)}

    @property
    def host(self) -> str:
        """Where the ingress listens."""
        return urlsplit(self.engine_url).hostname or ""

    @property
    def port(self) -> int:
        """Where the ingress listens."""
        return urlsplit(self.engine_url).port or 0
