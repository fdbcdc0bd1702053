"""What each door of a running stack answers to whom: the one expectation that `test_doors_walk.py` walks by. The routes
of the gateway are not here: theirs is the table in docs/security.md."""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Ask(NamedTuple):
    """A request at a door, and its answers.

    Attributes:
        request: a method and a path; `rpc` and a method of gRPC; `login` to PostgreSQL; `quorum` of Kafka.
        nobody: to whoever brings nothing.
        token: to whoever brings a token of the API, of any kind, or one that is forged.
        secret: to whoever brings the secret of the door itself; None where it has none, or what it says then hangs on
            how busy the machine is.
    """

    request: str
    nobody: str
    token: str
    secret: str | None = None


def _all(request: str, answer: str = "200") -> Ask:
    """Everybody is answered the same."""
    return Ask(request, answer, answer)


def _mlflows(request: str) -> Ask:
    """Nobody is answered without a name and a password, which a token has not."""
    return Ask(request, "401", "401")


def _rays(request: str, let_in: str | None = None) -> Ask:
    """Nobody is answered without Ray's token."""
    return Ask(request, "401", "403", let_in)


def _rpc(method: str, let_in: str | None = None) -> Ask:
    return Ask(f"rpc ray.rpc.{method}", "UNAUTHENTICATED", "UNAUTHENTICATED", let_in)


_METRICS: Final = (_all("GET /metrics"), _all("POST /metrics", "405"))

DOORS: Final[Mapping[str, tuple[Ask, ...]]] = {
    "gateway": (
        _all("GET /health"),
        _all("GET /openapi.json"),
        _all("GET /docs", "404"),
        _all("GET /metrics", "404"),
        _all("GET /ready", "404"),
        _all("GET /../pyproject.toml", "404"),
        _all("GET /%2e%2e/settings.py", "404"),
        _all("PUT /index.html", "405"),
        Ask("GET /v1/nothing", "401", "404"),
    ),
    "gateway_metrics": (
        _all("GET /metrics"),
        _all("GET /health"),
        _all("GET /openapi.json", "404"),
        _all("GET /v1/rounds", "404"),
        _all("GET /", "404"),
    ),
    "engine": (
        _all("GET /health"),
        _all("GET /metrics"),
        _all("GET /-/routes"),
        _all("GET /status", "401"),
        _all("POST /songs", "401"),
        _all("POST /prompts", "401"),
        _all("POST /tracks", "401"),
        _all("POST /adapters", "401"),
        _all("POST /forget", "401"),
    ),
    "aggregator": _METRICS,
    "rollout": _METRICS,
    "factory": _METRICS,
    "ray_metrics": _METRICS,
    "ray_dashboard_metrics": _METRICS,
    "postgres": (Ask("login", "refused", "refused", "let in"),),
    "kafka": (_all("quorum", "refused"),),
    "kafka_controller": (_all("quorum", "refused"),),
    "mlflow": (
        _all("GET /health"),
        _mlflows("GET /api/2.0/mlflow/experiments/search?max_results=1"),
        _mlflows("GET /api/2.0/mlflow-artifacts/artifacts"),
        _mlflows("POST /api/2.0/mlflow/experiments/create"),
    ),
    "ray": (_rpc("NodeInfoGcsService/GetAllNodeInfo", "OK"), _rpc("InternalKVGcsService/InternalKVKeys", "OK")),
    "ray_node_manager": (_rpc("NodeManagerService/GetSystemConfig", "OK"),),
    "ray_object_manager": (_rpc("ObjectManagerService/Pull"),),
    "ray_agent_grpc": (_rpc("ReporterService/HealthCheck", "OK"),),
    "ray_client": (_rpc("RayletDriver/ClusterInfo"), _rpc("RayletDriver/KVList")),
    "ray_dashboard": (
        _all("GET /"),
        _all("GET /favicon.ico"),
        _all("GET /api/gcs_healthz"),
        _all("GET /api/authentication_mode"),
        _rays("GET /api/version", "200"),
        _rays("GET /nodes?view=summary"),
        _rays("GET /api/v0/actors"),
        _rays("GET /api/jobs/"),
        _rays("POST /api/jobs/", "400"),
        _rays("GET /api/serve/applications/"),
        _rays("PUT /api/serve/applications/", "400"),
    ),
    "ray_agent": (
        _all("GET /api/local_raylet_healthz"),
        _rays("GET /api/job_agent/jobs/x/logs"),
        _rays("POST /api/job_agent/jobs/", "400"),
    ),
    "ray_runtime_env": (_rays("POST /get_or_create_runtime_env"), _rays("POST /get_runtime_envs_info")),
}
