"""What every service process is told by its environment; each process derives its own frozen class from this one.

Nothing is read at import time: `main` calls `read` once and passes the result down.
"""

import sys
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from schemas.engine_token import headers
from services.kafka_access import options

PREFIX = "ENCORE_"


def _fit(token: SecretStr) -> SecretStr:
    headers(token.get_secret_value())
    return token


Port = Annotated[int, Field(ge=0, le=65535)]
EngineToken = Annotated[SecretStr, AfterValidator(_fit)]
LogLevel = Literal["debug", "info", "warning", "error"]


class Settings(BaseSettings):
    """Shared by all service processes. A field `name` is the variable `ENCORE_NAME`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    postgres_dsn: str = Field(repr=False)
    kafka_bootstrap: str = Field(default="127.0.0.1:9092", repr=False)
    """`host:port`, several separated by commas; with a login `sasl://user:password@host:port`, over TLS `sasl+tls://`."""
    log_level: LogLevel = "info"
    metrics_host: str = "127.0.0.1"
    metrics_port: Port = 0
    """0 lets the system choose; the log line `metrics` tells which."""

    @field_validator("kafka_bootstrap")
    @classmethod
    def _is_an_address(cls, address: str) -> str:
        options(address)
        return address


SettingsT = TypeVar("SettingsT", bound=BaseSettings)


def read(kind: type[SettingsT]) -> SettingsT:
    """The settings of this process; where one is wrong, one sentence to stderr and exit status 2."""
    try:
        return kind()
    except ValidationError as error:
        sentence = _sentence(kind, error)
    except SettingsError as error:  # a list or mapping that is not JSON
        sentence = f"{error}."
    sys.stderr.write(sentence + "\n")
    raise SystemExit(2)


def _sentence(kind: type[BaseSettings], error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    if not first["loc"]:  # of several together; what they are may be secret
        return f"{first['msg'].removeprefix('Value error, ')}."
    variable = PREFIX + ".".join(str(part) for part in first["loc"]).upper()
    if first["type"] == "missing":
        return f"{variable} is not set, and has no default."
    field = kind.model_fields.get(str(first["loc"][0]))
    private = field is None or not field.repr or field.annotation is SecretStr
    given = str(first["input"])
    said = "" if private or "@" in given or "://" in given else f" is {first['input']!r}"
    return f"{variable}{said}: {first['msg']}."
