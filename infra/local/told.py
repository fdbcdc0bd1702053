"""What the parts are told by their environment: all of them, and each alone. What lets in somewhere is told to nobody
who does not knock there."""

from collections.abc import Mapping
from typing import Final

from infra.local import kafka, logins, mlflow, postgres
from infra.local.home import PROJECT, Home
from infra.local.part import Stack
from infra.local.ports import LOOPBACK

KEY_OF_RAY: Final = "ray.token"
ARM_SALT: Final = "ENCORE_ARM_SALT"
MLFLOW_USER: Final = "ENCORE_MLFLOW_USERNAME"
MLFLOW_PASSWORD: Final = "ENCORE_MLFLOW_PASSWORD"  # noqa: S105 - the variable's name
ENGINE_TOKEN: Final = "ENCORE_ENGINE_TOKEN"  # noqa: S105 - the variable's name
_AT_ENGINE: Final = ("engine", "gateway", "rollout")
_AT_RAY: Final = ("ray", "engine", "factory")
_AT_MLFLOW: Final = ("rollout", "factory")
# Of the launcher, or told to each alone.
_NOT_FOR_ALL: Final = (
    "ENCORE_PART",
    "ENCORE_VENV",
    ARM_SALT,
    ENGINE_TOKEN,
    MLFLOW_USER,
    MLFLOW_PASSWORD,
    logins.DSN,
    *logins.OWN_DSN.values(),
    mlflow.OWN_DSN,
    kafka.BOOTSTRAP,
)


def to_all(home: Home, environ: Mapping[str, str], ports: Mapping[str, int]) -> dict[str, str]:
    """What every part is told: the caller's own ENCORE_ settings, and ours where the caller has none; no secret."""
    defaults = {
        "ENCORE_MLFLOW_URL": f"http://{LOOPBACK}:{ports['mlflow']}",
        "ENCORE_RAY_ADDRESS": f"{LOOPBACK}:{ports['ray']}",
        "ENCORE_ENGINE_URL": f"http://{LOOPBACK}:{ports['engine']}",
        "ENCORE_GATEWAY_HOST": LOOPBACK,
        "ENCORE_GATEWAY_PORT": str(ports["gateway"]),
        "ENCORE_STORE_URL": home.blobs.as_uri(),
        "ENCORE_BASE_FOLDER": str(PROJECT / "serving" / "base"),
        "ENCORE_KEYS_FILE": environ.get("ENCORE_KEYS_FILE") or str(home.keys()),
        # Who listens here runs it: they would have to agree with themselves.
        "ENCORE_CONSENT_DEFAULT": "training;analysis",
        "ENCORE_LOG_LEVEL": "info",
        "ENCORE_METRICS_HOST": LOOPBACK,
        "ENCORE_FACTORY_FOLDER": str(home.folder / "factory"),
        "ENCORE_HARDWARE_FOLDER": str(home.folder / "hardware"),
    }
    ours = {name: value for name, value in environ.items() if name.startswith("ENCORE_") and value}
    fixed = {
        "ENCORE_HOME": str(home.folder),
        "PYTHONUNBUFFERED": "1",
        # Process titles must not overwrite the environment by which leftovers are known (setproctitle's setting).
        "SPT_NOENV": "1",
    }
    if not environ.get("ENCORE_RAY_ADDRESS"):
        # Ray puts the machine's outer address in the place of 127.0.0.1 and then listens everywhere, unless it is told
        # not to think of clusters; the variable names other systems, its effect here is the one that we want.
        fixed["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    kept = {name: value for name, value in ours.items() if name not in _NOT_FOR_ALL}
    return defaults | kept | fixed


def to_each(home: Home, environ: Mapping[str, str], ports: Mapping[str, int]) -> dict[str, dict[str, str]]:
    """By the name of a part, what is a secret between it and others. Ours are made once."""
    given, owner = environ.get(logins.DSN), postgres.dsn(home, ports["postgres"])
    alone = {
        process: {logins.DSN: environ.get(own) or given or logins.dsn_of(home, process, owner)}
        for process, own in logins.OWN_DSN.items()
    }
    alone["gateway"][ARM_SALT] = environ.get(ARM_SALT) or home.secret("arm.salt")
    for part in _AT_ENGINE:
        alone[part] = alone.get(part, {}) | {ENGINE_TOKEN: environ.get(ENGINE_TOKEN) or home.secret("engine.token")}
    for user in _AT_MLFLOW:
        alone[user] |= _login_at_mlflow(home, environ, user)
    for process in kafka.PROCESSES:
        broker = environ.get(kafka.BOOTSTRAP) or kafka.address_of(home, process, f"{LOOPBACK}:{ports['kafka']}")
        alone[process][kafka.BOOTSTRAP] = broker
    if not environ.get("ENCORE_RAY_ADDRESS"):
        # Whoever reaches a port of Ray without a token runs code there, and Serve's replicas listen on all interfaces.
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": home.secret(KEY_OF_RAY)}
        for part in _AT_RAY:
            alone[part] = alone.get(part, {}) | token
    return alone


def _login_at_mlflow(home: Home, environ: Mapping[str, str], user: str) -> dict[str, str]:
    """At ours as itself, at a given one as the caller says."""
    if not environ.get("ENCORE_MLFLOW_URL"):
        return {MLFLOW_USER: user, MLFLOW_PASSWORD: mlflow.password(home, user)}
    return {name: environ[name] for name in (MLFLOW_USER, MLFLOW_PASSWORD) if environ.get(name)}


def as_operator(home: Home, stack: Stack) -> dict[str, str]:
    """How a command that reads everything enters MLflow. Of one that is not ours its caller knows the login."""
    if not stack.part("mlflow").is_ours:
        return {}
    return {MLFLOW_USER: "operator", MLFLOW_PASSWORD: mlflow.password(home, "operator")}
