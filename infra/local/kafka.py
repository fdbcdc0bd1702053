"""Apache Kafka in KRaft mode as a part: one node from its Maven artifacts, and our topics on it."""

import base64
import hashlib
import shutil
import string
import subprocess
import uuid
from pathlib import Path
from typing import Any, Final

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError

from infra.local import system
from infra.local.errors import StackError
from infra.local.home import PROJECT, Home
from infra.local.part import Part, Probe, Stack
from infra.local.progress import step
from schemas import topics
from services.errors import BackendAway
from services.kafka_access import as_user, options, servers
from services.kafka_grants import AGGREGATOR, GATEWAY, OPERATOR, ROLLOUT
from services.kafka_logins import apply
from services.private_files import write_private

ARTIFACTS = PROJECT / "infra" / "kafka"
LIBS = ARTIFACTS / "libs"
MOST_REPLICAS = 3
BOOTSTRAP: Final = "ENCORE_KAFKA_BOOTSTRAP"
PROCESSES: Final = {"gateway": GATEWAY, "aggregator": AGGREGATOR, "rollout": ROLLOUT}
"""Who each part is at a broker of ours that has business there."""
USERS: Final = {**PROCESSES, "operator": OPERATOR}
COMMANDS: Final = {"audit": "operator", "replay": "operator", "import": "gateway"}
"""As whom the commands that speak to Kafka come."""
OURS: Final = "encore"
"""The launcher, which makes topics and logins and may do everything."""
HEAP = ("-Xms128m", "-Xmx512m", "-XX:+UseG1GC")


def part(home: Home, port: int) -> Part:
    """The broker on `port`."""
    folder = home.folder / "kafka"
    return Part(
        name="kafka",
        command=(
            *_java(),
            *HEAP,
            f"-Dlog4j2.configurationFile={ARTIFACTS / 'log4j2.xml'}",
            "-cp",
            f"{LIBS}/*",
            "kafka.Kafka",
            str(folder / "server.properties"),
        ),
        address=f"127.0.0.1:{port}",
        probe=Probe("kafka", f"127.0.0.1:{port}"),
        after=("data folder of kafka",),
        stop_wait_s=30,
        patience_s=300,
    )


def ensure_artifacts() -> None:
    """Java, and Kafka's jars by Maven unless they are there for the present pom.

    Raises:
        StackError: Java or Maven is missing and cannot be installed, or Maven failed.
    """
    system.ensure([system.JAVA])
    pom = ARTIFACTS / "pom.xml"
    digest = hashlib.sha256(pom.read_bytes()).hexdigest()
    stamp = LIBS / "stamp"
    if stamp.exists() and stamp.read_text() == digest:
        return
    system.ensure([system.JAVA, system.MAVEN])
    with step("fetching Kafka's jars (Maven)"):
        draft = PROJECT / "build" / f"kafka-libs-{uuid.uuid4().hex}"
        command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={draft}"]
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if result.returncode:
            shutil.rmtree(draft, ignore_errors=True)
            raise StackError(f"Maven could not fetch Kafka's jars:\n{result.stdout[-2000:]}{result.stderr[-2000:]}")
        (draft / "stamp").write_text(digest)
        shutil.rmtree(LIBS, ignore_errors=True)
        draft.rename(LIBS)


def make_data_folder(home: Home, port: int, controller_port: int) -> None:
    """Write the configuration, and format the data folder once; it appears under its name only when complete.

    Raises:
        StackError: formatting failed; the text carries what it said.
    """
    folder = home.folder / "kafka"
    folder.mkdir(exist_ok=True)
    data, draft = folder / "data", folder / "data.new"
    password = _password(home, OURS)
    _configure(folder / "server.properties", data, port, controller_port, password)
    if (data / "meta.properties").exists():
        return
    shutil.rmtree(draft, ignore_errors=True)
    format_properties = home.run / "kafka-format.properties"
    _configure(format_properties, draft, port, controller_port, password)
    # In front, so that no id starts with the dash of an option.
    cluster = "E" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[:21]
    command = [
        *_java(),
        "-Xmx128m",
        "-cp",
        f"{LIBS}/*",
        "kafka.tools.StorageTool",
        "format",
        "--standalone",
        "-t",
        cluster,
        "-c",
        str(format_properties),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise StackError(f"Kafka's data folder could not be made: {result.stdout[-2000:]}{result.stderr[-2000:]}")
    draft.rename(data)


def make_topics(bootstrap: str) -> None:
    """Create our topics that are missing, each with its partitions, replicas and retention. The retention of those
    that are there is set too, unless somebody has chosen one: the broker's own would forget after a week.

    Raises:
        StackError: the broker refused.
    """
    try:
        admin = KafkaAdminClient(**options(bootstrap), client_id="encore-stack")
    except KafkaError as error:
        raise StackError(f"Kafka at {servers(bootstrap)} is away, or refuses the login: {error}") from error
    try:
        known = set(admin.list_topics())
        replicas = min(MOST_REPLICAS, len(admin.describe_cluster()["brokers"]))
        wanted = {name: _shape(name, replicas) for name in topics.RETENTION_MS if name not in known}
        if wanted:
            admin.create_topics(wanted, wait_for_metadata=True)
        _keep(admin, [name for name in topics.RETENTION_MS if name in known])
    except TopicAlreadyExistsError:
        return
    except KafkaError as error:
        raise StackError(f"Kafka's topics cannot be created: {error}") from error
    finally:
        admin.close()


def superuser_of(home: Home, stack: Stack) -> str:
    """Where the launcher reaches the broker of a stack: at ours as who may do everything, elsewhere as it was given."""
    if not stack.part("kafka").is_ours:
        return stack.part("gateway").environment[BOOTSTRAP]
    return f"sasl://{OURS}:{_password(home, OURS)}@{stack.part('kafka').address}?mechanism=PLAIN"


def address_of(home: Home, who: str, at: str) -> str:
    """Where one of `USERS` reaches a broker of ours at `HOST:PORT`, as itself."""
    return as_user(at, USERS[who], _password(home, who))


def require_logins(running: Stack) -> None:
    """Raises StackError where an earlier version has started the stack: nobody there has a login of their own at
    Kafka, and a broker of ours lets in everybody, and goes on to."""
    if BOOTSTRAP not in running.part("gateway").environment:
        raise StackError(
            "The stack runs as an earlier version started it: ./encore down first, then up. The data stays."
        )


def told(home: Home, stack: Stack, command: str) -> dict[str, str]:
    """What a command of the launcher is told of Kafka: how it enters there, if it has business there.

    Raises:
        StackError: an earlier version has started the stack.
    """
    if command not in COMMANDS:
        return {}
    require_logins(stack)
    if not stack.part("kafka").is_ours:
        return {BOOTSTRAP: superuser_of(home, stack)}
    return {BOOTSTRAP: address_of(home, COMMANDS[command], stack.part("kafka").address)}


def make_logins(home: Home, ours: str) -> None:
    """Each process's login with the password that lies in `home`, so a new file is a new password; and its rights.

    Raises:
        StackError: the broker refused.
    """
    try:
        apply(ours, {user: _password(home, part) for part, user in USERS.items()})
    except BackendAway as error:
        raise StackError(f"The logins of the processes at Kafka cannot be made: {error.message}") from error


def _password(home: Home, part: str) -> str:
    return home.secret(f"kafka.{part}.password")


def _shape(name: str, replicas: int) -> dict[str, Any]:
    configs = {
        "retention.ms": str(topics.RETENTION_MS[name]),
        "min.insync.replicas": str(topics.minimum_in_sync(replicas)),
    }
    return {"num_partitions": topics.PARTITIONS, "replication_factor": replicas, "configs": configs}


def _keep(admin: KafkaAdminClient, names: list[str]) -> None:
    def asked(configs: Any, which: list[str]) -> list[ConfigResource]:
        return [ConfigResource(ConfigResourceType.TOPIC, name, configs) for name in which]

    if not names:
        return
    chosen = admin.describe_configs(asked(["retention.ms"], names))["topic"]
    for name in names:
        if not chosen[name]:
            admin.alter_configs(asked({"retention.ms": str(topics.RETENTION_MS[name])}, [name]))


def _configure(file: Path, data: Path, port: int, controller_port: int, password: str) -> None:
    template = string.Template((ARTIFACTS / "server.properties").read_text())
    # The reader of .properties files takes a backslash as an escape.
    values = {"data": str(data).replace("\\", "\\\\"), "port": port, "controller_port": controller_port}
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    login = f'{module} required username="{OURS}" password="{password}" user_{OURS}="{password}";'
    write_private(file, template.substitute(values, login=login))


def _java() -> list[str]:
    return [shutil.which("java") or "java"]
