"""Each login may do at the broker what is declared, and no more; who comes without one may do nothing."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka import TopicPartition as KafkaPartition
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ConfigResource,
    ConfigResourceType,
    KafkaAdminClient,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from kafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    RetriableError,
    TopicAuthorizationFailedError,
)

from infra.local.home import Home
from infra.local.kafka import USERS, address_of
from schemas.topics import FEEDBACK, HEARTBEATS, PLAYS, RELEASES, RETENTION_MS, TRACKS
from services import kafka_logins
from services.errors import BackendAway, NotAcknowledged
from services.kafka_access import as_user, options, servers
from services.kafka_grants import GROUPS, OPERATOR, READERS, WRITERS, rights
from services.kafka_grants import USERS as DECLARED
from services.streams import Outgoing, Receipt, Start, TopicPartition
from services.streams_kafka import KafkaReader, KafkaWriter
from services.streams_librdkafka import LibrdkafkaWriter
from tests.contracts.streams import until
from tests.services.sasl import REFUSED, connected, everything, log_in

PATIENCE_S = 60.0
Writing = type[KafkaWriter] | type[LibrdkafkaWriter]


@contextmanager
def admin_at(address: str) -> Iterator[Any]:
    admin = KafkaAdminClient(**options(address))
    try:
        yield admin
    finally:
        admin.close()


@pytest.fixture(params=sorted(USERS))
def part(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def own(servers_home: Home, kafka_bootstrap: str, part: str) -> str:
    """Where a part reaches the broker as itself."""
    return address_of(servers_home, part, servers(kafka_bootstrap))


def sent(address: str, topic: str, writing: Writing = KafkaWriter) -> str:
    """Empty when a record of this login is taken, else what refused it."""
    with closing(writing(address, delivery_s=PATIENCE_S)) as writer:
        try:
            writer.send_all([Outgoing(topic, b"nobody", b"x")])
        except NotAcknowledged as error:
            return error.message
    return ""


def allowed(address: str) -> dict[str, set[str]]:
    """What the broker says of each topic of ours that a login may do there, of reading and writing and of more."""
    with admin_at(address) as admin:
        told = {topic["name"]: topic for topic in admin.describe_topics(list(RETENTION_MS))}
    return {name: set(told[name]["authorized_operations"] or ()) for name in RETENTION_MS}


def declared(user: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {topic: set() for topic in RETENTION_MS}
    for right in rights():
        if right.user == user and right.kind == "topic":
            found[right.name] |= {right.operation, "DESCRIBE"}
    return found


def test_every_topic_has_a_writer_and_nobody_is_declared_for_nothing() -> None:
    assert set(WRITERS) == set(RETENTION_MS)
    assert set(READERS) == set(FEEDBACK)
    readers = {user for users in READERS.values() for user in users}
    assert {*WRITERS.values(), *GROUPS.values()} | readers == set(DECLARED) == set(USERS.values())


def test_a_login_may_do_what_is_declared(own: str, part: str) -> None:
    assert allowed(own) == declared(USERS[part])


def test_who_does_not_write_a_topic_is_refused(own: str, part: str) -> None:
    # Our own writers ask for a producer's id first, which who writes nothing at all is refused.
    with closing(KafkaProducer(**options(own), enable_idempotence=False)) as producer:
        for topic in (name for name, writer in WRITERS.items() if writer != USERS[part]):
            with pytest.raises(TopicAuthorizationFailedError):
                producer.send(topic, key=b"nobody", value=b"x").get(timeout=PATIENCE_S)


@pytest.mark.parametrize("writing", [KafkaWriter, LibrdkafkaWriter])
def test_gateway_and_rollout_write_what_is_theirs(servers_home: Home, kafka_bootstrap: str, writing: Writing) -> None:
    at = servers(kafka_bootstrap)
    assert sent(address_of(servers_home, "gateway", at), HEARTBEATS, writing) == ""
    assert sent(address_of(servers_home, "rollout", at), RELEASES, writing) == ""


@pytest.mark.parametrize("part", sorted(part for part in USERS if USERS[part] not in READERS[PLAYS]))
def test_who_does_not_read_feedback_reads_none(kafka_bootstrap: str, own: str) -> None:
    with closing(KafkaWriter(kafka_bootstrap, delivery_s=PATIENCE_S)) as writer:
        [written] = writer.send_all([Outgoing(PLAYS, b"somebody", b"x")])
    await_by(kafka_bootstrap, written)
    with pytest.raises(TopicAuthorizationFailedError):
        await_by(own, written)


def await_by(address: str, written: Receipt) -> None:
    """Until a record comes to this login. Raises TopicAuthorizationFailedError where it may not read the topic."""
    with admin_at(address) as admin:
        [told] = admin.describe_topics([written.topic])
    if told["error_code"] == TopicAuthorizationFailedError.errno:  # it may not even know of it, and a reader waits on
        raise TopicAuthorizationFailedError(written.topic)
    with closing(KafkaConsumer(**options(address), group_id=None)) as consumer:
        place = KafkaPartition(written.topic, written.partition)
        consumer.assign([place])
        consumer.seek(place, written.offset)
        until(lambda: bool(consumer.poll(timeout_ms=500)))


def has_answer(admin: Any, group: str) -> bool:
    """Of a new broker the first question about any group makes the topic of their offsets, and has no answer yet."""
    with suppress(RetriableError):
        return list(admin.list_group_offsets([group])) == [group]
    return False


@pytest.mark.parametrize("prefix", sorted(GROUPS))
def test_a_group_is_its_owners_alone(own: str, part: str, prefix: str) -> None:
    with admin_at(own) as admin:
        if GROUPS[prefix] == USERS[part]:
            until(lambda: has_answer(admin, f"{prefix}x"))
            return
        with pytest.raises(GroupAuthorizationFailedError):
            admin.list_group_offsets([f"{prefix}x"])


def test_an_audit_reads_with_the_operators_login(servers_home: Home, kafka_bootstrap: str) -> None:
    mark = uuid4().bytes
    with closing(KafkaWriter(kafka_bootstrap, delivery_s=PATIENCE_S)) as writer:
        [written] = writer.send_all([Outgoing(TRACKS, mark, b"x")])
    own = address_of(servers_home, "operator", servers(kafka_bootstrap))
    with closing(KafkaReader(own, f"audit-{uuid4().hex}")) as reader:
        # The other partitions may end before this offset, which would be a position lost.
        starts = {TopicPartition(TRACKS, written.partition): Start(written.offset)}
        reader.subscribe([TRACKS], lambda _: starts, lambda _: None)
        until(lambda: any(message.key == mark for message in reader.poll(500, 0.5)))


def test_no_login_changes_topics_or_gives_itself_rights(own: str, part: str) -> None:
    more = ACL(
        f"User:{USERS[part]}",
        "*",
        ACLOperation.ALL,
        ACLPermissionType.ALLOW,
        ResourcePattern(ResourceType.TOPIC, PLAYS),
    )
    shorter = ConfigResource(ConfigResourceType.TOPIC, PLAYS, {"retention.ms": "1"})
    password = UserScramCredentialUpsertion("encore", ScramMechanism.SCRAM_SHA_512, "mine")
    with admin_at(own) as admin:
        with pytest.raises((TopicAuthorizationFailedError, ClusterAuthorizationFailedError)):
            admin.create_topics({f"new-{uuid4().hex}": {"num_partitions": 1, "replication_factor": 1}})
        with pytest.raises(TopicAuthorizationFailedError):
            admin.delete_topics([PLAYS])
        with pytest.raises(TopicAuthorizationFailedError):
            admin.create_partitions({PLAYS: 60})
        altered = admin.alter_configs([shorter], raise_on_unknown=False, incremental=True)["topic"][PLAYS]
        assert "TopicAuthorizationFailedError" in altered
        with pytest.raises(KafkaError):
            admin.delete_records({KafkaPartition(PLAYS, 0): 1})
        assert admin.create_acls([more])["failed"] == [ClusterAuthorizationFailedError]
        assert admin.alter_user_scram_credentials([password])["encore"]


def tried(address: str) -> int:
    with connected(address) as stream:
        return log_in(stream, address)


def test_a_wrong_password_is_refused(own: str, part: str) -> None:
    assert tried(own) == 0
    assert tried(as_user(servers(own), USERS[part], "wrong")) == REFUSED


def test_before_a_login_a_question_ends_the_connection(servers_home: Home, kafka_bootstrap: str) -> None:
    own = address_of(servers_home, "gateway", servers(kafka_bootstrap))
    with connected(own) as stream:
        assert everything(stream) == b""
    with connected(own) as stream:
        assert log_in(stream, own) == 0
        assert PLAYS.encode() in everything(stream)


def test_rights_that_are_not_declared_are_taken_away(servers_home: Home, kafka_bootstrap: str) -> None:
    own = address_of(servers_home, "operator", servers(kafka_bootstrap))
    more = ACL(
        f"User:{OPERATOR}",
        "*",
        ACLOperation.WRITE,
        ACLPermissionType.ALLOW,
        ResourcePattern(ResourceType.TOPIC, HEARTBEATS),
    )
    with admin_at(kafka_bootstrap) as admin:
        admin.create_acls([more])
    until(lambda: "WRITE" in allowed(own)[HEARTBEATS])
    kafka_logins.apply(kafka_bootstrap, {})
    assert allowed(own) == declared(OPERATOR)


def test_the_command_gives_a_new_password_and_the_old_one_ends(
    kafka_bootstrap: str, servers_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, new, old = tmp_path / "passwords.json", uuid4().hex, servers_home.secret("kafka.operator.password")
    monkeypatch.setenv("ENCORE_KAFKA_BOOTSTRAP", kafka_bootstrap)
    file.write_text(json.dumps({OPERATOR: new}))
    try:
        assert kafka_logins.main([str(file)]) == 0
        assert allowed(as_user(servers(kafka_bootstrap), OPERATOR, new)) == declared(OPERATOR)
        assert tried(as_user(servers(kafka_bootstrap), OPERATOR, old)) == REFUSED
    finally:
        kafka_logins.apply(kafka_bootstrap, {OPERATOR: old})


def test_the_command_says_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "passwords.json"
    monkeypatch.setenv("ENCORE_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    assert kafka_logins.main([str(file)]) == 1
    for text, said in (
        ('{"somebody": "x"}', "somebody: expected one of encore-gateway"),
        ('["encore-gateway"]', "expected one JSON object"),
        ('{"encore-gateway": ""}', "each with a password"),
    ):
        file.write_text(text)
        assert kafka_logins.main([str(file)]) == 1
        assert said in capsys.readouterr().err
    monkeypatch.setattr(kafka_logins, "_CONNECT_MS", 500)
    with pytest.raises(BackendAway):
        kafka_logins.apply("127.0.0.1:1", {})
