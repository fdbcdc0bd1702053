"""The whole stack on one page: from the data folder and the environment to the parts, their addresses and what each
is told. Pure but for choosing ports and secrets; starts nothing."""

import sys
from collections.abc import Mapping
from dataclasses import replace

from infra.local import kafka, logins, mlflow, postgres, told
from infra.local.errors import StackError
from infra.local.home import Home
from infra.local.part import Part, Probe, Stack
from infra.local.ports import LOOPBACK, Claim, choose
from infra.local.probes import host_and_port
from services.kafka_access import servers, without_login

# One thread and few malloc arenas: these processes wait for others most of the time.
LIGHT = {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
OBJECT_STORE_BYTES = 256 * 1024 * 1024
# Logical: replicas and trainers of the stack share the machine's cores whatever their number.
RAY_CPUS = 8
# Those that write to others stop before them.
STOP_ORDER = (
    ("watchdog",),
    ("gateway", "aggregator", "rollout", "factory", "engine"),
    ("ray", "mlflow", "kafka"),
    ("postgres",),
)


def plan(home: Home, environ: Mapping[str, str], claim: Claim, *, usual_ports: bool = True) -> Stack:
    """Every part of the stack in `home`. What the environment names (`ENCORE_POSTGRES_DSN`, ...) is used, not started.
    The chosen ports are claimed.

    Raises:
        StackError: there are no fitting PostgreSQL binaries, or a given address is none.
    """
    ports = choose(home.ports_file, claim, usual=usual_ports)
    shared, alone = told.to_all(home, environ, ports), told.to_each(home, environ, ports)
    parts = (
        _postgres(home, environ, ports),
        _kafka(home, environ, ports),
        _ray(home, environ, ports),
        _mlflow(home, environ, ports, shared),
        *_processes(ports, shared),
        _watchdog(),
    )
    each = (replace(part, environment={**part.environment, **alone.get(part.name, {})}) for part in parts)
    return Stack(shared, tuple(each), ports)


def _postgres(home: Home, environ: Mapping[str, str], ports: Mapping[str, int]) -> Part:
    given = environ.get(logins.DSN)
    for name in (*logins.OWN_DSN.values(), mlflow.OWN_DSN):
        if own := environ.get(name):
            _address_of_database(name, own)
            if not given:
                raise StackError(f"{name}: only beside {logins.DSN}, which names its server and the owner of ours.")
            # By name alone: a host has many names, and MLflow's database is handed over at the server of ours.
            if name == mlflow.OWN_DSN and postgres.database_of(own) == postgres.database_of(given):
                raise StackError(f"{name}: expected a database of another name than that of {logins.DSN}.")
    if not given:
        return postgres.part(home, ports["postgres"], environ)
    return _elsewhere("postgres", _address_of_database(logins.DSN, given), Probe("postgres", given))


def _address_of_database(name: str, given: str) -> str:
    try:
        return postgres.without_password(given)
    except ValueError:  # its message may hold a password
        raise StackError(f"{name}: expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE.") from None


def _kafka(home: Home, environ: Mapping[str, str], ports: Mapping[str, int]) -> Part:
    given = environ.get(kafka.BOOTSTRAP)
    if not given:
        return kafka.part(home, ports["kafka"])
    try:
        return _elsewhere("kafka", servers(given), Probe("kafka", without_login(given)))
    except ValueError as error:
        raise StackError(f"{kafka.BOOTSTRAP}: {error}.") from None


def _mlflow(home: Home, environ: Mapping[str, str], ports: Mapping[str, int], shared: Mapping[str, str]) -> Part:
    url = shared["ENCORE_MLFLOW_URL"]
    probe = Probe("http", f"{url}/health")
    if environ.get("ENCORE_MLFLOW_URL"):
        return _elsewhere("mlflow", url, probe)
    itself, given = environ.get(mlflow.OWN_DSN), environ.get(logins.DSN)
    as_owner = postgres.with_database(given, mlflow.DATABASE) if given else None
    database = itself or as_owner or mlflow.dsn(home, ports["postgres"])
    return mlflow.part(home, ports["mlflow"], database, LIGHT)


def _ray(home: Home, environ: Mapping[str, str], ports: Mapping[str, int]) -> Part:
    given = environ.get("ENCORE_RAY_ADDRESS")
    if given:
        return _elsewhere("ray", given, Probe("tcp", given) if _has_port(given) else Probe("process"))
    temporary = home.short / "ray"
    numbers = {
        "--port": ports["ray"],
        "--dashboard-port": ports["ray_dashboard"],
        "--dashboard-agent-listen-port": ports["ray_agent"],
        "--dashboard-agent-grpc-port": ports["ray_agent_grpc"],
        "--runtime-env-agent-port": ports["ray_runtime_env"],
        "--metrics-export-port": ports["ray_metrics"],
        "--node-manager-port": ports["ray_node_manager"],
        "--object-manager-port": ports["ray_object_manager"],
        "--ray-client-server-port": ports["ray_client"],
        "--object-store-memory": OBJECT_STORE_BYTES,
        "--num-cpus": RAY_CPUS,
    }
    return Part(
        name="ray",
        command=(
            sys.executable,
            "-m",
            "ray.scripts.scripts",
            "start",
            "--head",
            "--block",
            "--disable-usage-stats",
            "--no-monitor",
            "--node-ip-address",
            LOOPBACK,
            "--dashboard-host",
            LOOPBACK,
            "--include-dashboard",
            "true",
            "--temp-dir",
            str(temporary),
            *(f"{name}={number}" for name, number in numbers.items()),
        ),
        address=f"http://{LOOPBACK}:{ports['ray_dashboard']}",
        # The dashboard answers for the cluster, the agent for the node that runs the work.
        probe=Probe(
            "http",
            f"http://{LOOPBACK}:{ports['ray_dashboard']}/api/gcs_healthz "
            f"http://{LOOPBACK}:{ports['ray_agent']}/api/local_raylet_healthz",
        ),
        environment={
            "DASHBOARD_METRIC_PORT": str(ports["ray_dashboard_metrics"]),
            "RAY_prestart_worker_first_driver": "0",
            # On a busy machine Ray gives up on its own processes too soon.
            "RAY_DASHBOARD_STARTUP_TIMEOUT_S": "240",
            "RAY_agent_register_timeout_ms": "240000",
            "RAY_worker_register_timeout_seconds": "240",
            # The local stack shares its machine; Ray's own guard would end workers for what others use.
            # The engine is no background work: by default Ray starts its workers at niceness 15.
            "RAY_worker_niceness": "0",
            "RAY_memory_monitor_refresh_ms": "0",
        },
        scratch=(str(temporary),),
        # Told alone, it ends its processes in order within 3 s; told together, they wait for each other.
        stop_whole_group=False,
        stop_wait_s=25,
        patience_s=600,
        # It ends when its node has not registered within 30 s, which a busy machine may need; that cannot be set.
        most_starts=15,
        metrics=f"http://{LOOPBACK}:{ports['ray_metrics']}/metrics",
    )


def _processes(ports: Mapping[str, int], shared: Mapping[str, str]) -> tuple[Part, ...]:
    """Our own processes."""
    engine_url = shared["ENCORE_ENGINE_URL"]
    gateway_url = f"http://{shared['ENCORE_GATEWAY_HOST']}:{shared['ENCORE_GATEWAY_PORT']}"
    engine = Part(
        name="engine",
        command=(sys.executable, "-m", "serving.main"),
        address=engine_url,
        probe=Probe("http", f"{engine_url}/health"),
        after=("ray",),
        follows="ray",
        stop_wait_s=30,
        patience_s=600,
        # It ends when Ray Serve's proxy was not there within 60 s, which cannot be set either.
        most_starts=8,
        metrics=f"{engine_url}/metrics",
    )
    gateway = Part(
        name="gateway",
        command=(sys.executable, "-m", "services.gateway.main"),
        address=gateway_url,
        probe=Probe("http", f"{gateway_url}/health"),
        after=("logins", "topics"),
        environment={
            **LIGHT,
            "ENCORE_METRICS_PORT": str(ports["gateway_metrics"]),
            "ENCORE_MLFLOW_PAGE": shared["ENCORE_MLFLOW_URL"],
        },
        metrics=f"http://{LOOPBACK}:{ports['gateway_metrics']}/metrics",
    )
    return (
        engine,
        gateway,
        _with_metrics("aggregator", "services.aggregator.main", ports["aggregator"], ("logins", "topics"), LIGHT),
        _with_metrics(
            "rollout", "services.rollout.main", ports["rollout"], ("logins", "topics", "users of mlflow"), LIGHT
        ),
        _with_metrics(
            "factory", "training.main", ports["factory"], ("logins", "users of mlflow", "ray"), {}, follows="ray"
        ),
    )


def _with_metrics(
    name: str, module: str, port: int, after: tuple[str, ...], environment: Mapping[str, str], follows: str = ""
) -> Part:
    """A process whose only door is its metrics."""
    url = f"http://{LOOPBACK}:{port}/metrics"
    return Part(
        name=name,
        command=(sys.executable, "-m", module),
        address=f"{LOOPBACK}:{port}",
        probe=Probe("http", url),
        after=after,
        follows=follows,
        environment={**environment, "ENCORE_METRICS_PORT": str(port)},
        stop_wait_s=25,
        patience_s=300,
        metrics=url,
    )


def _watchdog() -> Part:
    return Part(
        name="watchdog",
        command=(sys.executable, "-m", "infra.local.watchdog"),
        address="",
        probe=Probe("process"),
        after=("postgres", "kafka", "mlflow", "ray", "engine", "gateway", "aggregator", "rollout", "factory"),
        environment=LIGHT,
    )


def _elsewhere(name: str, address: str, probe: Probe) -> Part:
    return Part(name=name, command=(), address=address, probe=probe)


def _has_port(address: str) -> bool:
    try:
        host_and_port(address)
    except ValueError:
        return False
    return True
