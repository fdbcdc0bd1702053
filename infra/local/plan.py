"""The whole stack on one page: from the data folder and the environment to the parts, their addresses and what each
is told. Pure but for choosing ports and secrets; starts nothing."""

import sys
from collections.abc import Mapping
from dataclasses import replace

from infra.local import kafka, logins, postgres
from infra.local.home import PROJECT, Home
from infra.local.part import Part, Probe, Stack
from infra.local.ports import LOOPBACK, Claim, choose
from infra.local.probes import host_and_port

# One thread and few malloc arenas: these processes wait for others most of the time.
LIGHT = {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
OBJECT_STORE_BYTES = 256 * 1024 * 1024
# Logical: replicas and trainers of the stack share the machine's cores whatever their number.
RAY_CPUS = 8
KEY_OF_RAY = "ray.token"
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
        StackError: there are no fitting PostgreSQL binaries.
    """
    ports = choose(home.ports_file, claim, usual=usual_ports)
    shared = _environment(home, environ, ports)
    parts = (
        _postgres(home, environ, ports),
        _kafka(home, environ, ports),
        _ray(home, environ, ports),
        _mlflow(home, environ, ports, shared),
        *_as_themselves(home, environ, shared, _processes(ports, shared)),
        _watchdog(),
    )
    return Stack(shared, parts, ports)


def _environment(home: Home, environ: Mapping[str, str], ports: Mapping[str, int]) -> dict[str, str]:
    """What every part is told: the caller's own ENCORE_ settings, and ours where the caller has none."""
    defaults = {
        "ENCORE_POSTGRES_DSN": postgres.dsn(home, ports["postgres"]),
        "ENCORE_KAFKA_BOOTSTRAP": f"{LOOPBACK}:{ports['kafka']}",
        "ENCORE_MLFLOW_URL": f"http://{LOOPBACK}:{ports['mlflow']}",
        "ENCORE_RAY_ADDRESS": f"{LOOPBACK}:{ports['ray']}",
        "ENCORE_ENGINE_URL": f"http://{LOOPBACK}:{ports['engine']}",
        "ENCORE_GATEWAY_HOST": LOOPBACK,
        "ENCORE_GATEWAY_PORT": str(ports["gateway"]),
        "ENCORE_STORE_URL": home.blobs.as_uri(),
        "ENCORE_BASE_FOLDER": str(PROJECT / "serving" / "base"),
        "ENCORE_KEYS_FILE": environ.get("ENCORE_KEYS_FILE") or str(home.keys()),
        "ENCORE_ARM_SALT": environ.get("ENCORE_ARM_SALT") or home.secret("arm.salt"),
        # Who listens here runs it: they would have to agree with themselves.
        "ENCORE_CONSENT_DEFAULT": "training;analysis",
        "ENCORE_LOG_LEVEL": "info",
        "ENCORE_METRICS_HOST": LOOPBACK,
        "ENCORE_FACTORY_FOLDER": str(home.folder / "factory"),
        "ENCORE_HARDWARE_FOLDER": str(home.folder / "hardware"),
    }
    ours = {name: value for name, value in environ.items() if name.startswith("ENCORE_") and value}
    of_the_launcher = {"ENCORE_PART", "ENCORE_VENV"}
    fixed = {
        "ENCORE_HOME": str(home.folder),
        "PYTHONUNBUFFERED": "1",
        # Process titles must not overwrite the environment by which leftovers are known (setproctitle's setting).
        "SPT_NOENV": "1",
    }
    if not environ.get("ENCORE_RAY_ADDRESS"):
        # Whoever reaches a port of Ray without a token runs code there, and Serve's replicas listen on all interfaces.
        fixed |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": home.secret(KEY_OF_RAY)}
        # Ray puts the machine's outer address in the place of 127.0.0.1 and then listens everywhere, unless it is told
        # not to think of clusters; the variable names other systems, its effect here is the one that we want.
        fixed["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    kept = {name: value for name, value in ours.items() if name not in of_the_launcher}
    return defaults | kept | fixed


def _postgres(home: Home, environ: Mapping[str, str], ports: Mapping[str, int]) -> Part:
    given = environ.get("ENCORE_POSTGRES_DSN")
    if given:
        return _elsewhere("postgres", postgres.without_password(given), Probe("postgres", given))
    return postgres.part(home, ports["postgres"], environ)


def _kafka(home: Home, environ: Mapping[str, str], ports: Mapping[str, int]) -> Part:
    given = environ.get("ENCORE_KAFKA_BOOTSTRAP")
    if given:
        return _elsewhere("kafka", given, Probe("kafka", given))
    return kafka.part(home, ports["kafka"])


def _mlflow(home: Home, environ: Mapping[str, str], ports: Mapping[str, int], shared: Mapping[str, str]) -> Part:
    url = shared["ENCORE_MLFLOW_URL"]
    probe = Probe("http", f"{url}/health")
    if environ.get("ENCORE_MLFLOW_URL"):
        return _elsewhere("mlflow", url, probe)
    database = postgres.with_database(shared["ENCORE_POSTGRES_DSN"], postgres.MLFLOW_DATABASE)
    return Part(
        name="mlflow",
        command=(
            sys.executable,
            "-m",
            "mlflow",
            "server",
            "--host",
            LOOPBACK,
            "--port",
            str(ports["mlflow"]),
            "--workers",
            "1",
            "--serve-artifacts",
            "--artifacts-destination",
            (home.blobs / "mlflow").as_uri(),
        ),
        address=url,
        probe=probe,
        after=("databases",),
        environment=LIGHT
        | {
            "MLFLOW_BACKEND_STORE_URI": database,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        },
        patience_s=300,
    )


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
        _with_metrics("rollout", "services.rollout.main", ports["rollout"], ("logins", "topics", "mlflow"), LIGHT),
        _with_metrics("factory", "training.main", ports["factory"], ("logins", "mlflow", "ray"), {}, follows="ray"),
    )


def _as_themselves(
    home: Home, environ: Mapping[str, str], shared: Mapping[str, str], parts: tuple[Part, ...]
) -> tuple[Part, ...]:
    """The processes with a login of their own at our database; the owner's is for migrations and for commands."""
    if environ.get("ENCORE_POSTGRES_DSN"):
        return parts
    owner = shared["ENCORE_POSTGRES_DSN"]
    return tuple(
        replace(part, environment={**part.environment, "ENCORE_POSTGRES_DSN": logins.dsn_of(home, part.name, owner)})
        if part.name in logins.ROLES
        else part
        for part in parts
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
