"""Kafka over TLS: with the authority that signed its certificate, and not without. Its data are from before logins."""

import ipaddress
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infra.local import kafka
from infra.local.home import Home
from infra.local.part import Part, Probe
from infra.local.ports import choose, claims
from infra.local.probes import ask
from schemas.topics import HEARTBEATS
from services.errors import NotAcknowledged
from services.kafka_access import as_user, servers, without_login
from services.kafka_grants import GATEWAY
from services.streams import Outgoing, Receipt, TopicPartition
from services.streams_kafka import KafkaReader, KafkaWriter
from services.streams_librdkafka import LibrdkafkaWriter
from tests.contracts.streams import until

HERE = "127.0.0.1"
PATIENCE_S = 600.0
Writing = type[KafkaWriter] | type[LibrdkafkaWriter]


def certificate(folder: Path) -> tuple[Path, Path]:
    """An authority, and the key and certificate of a server here that it has signed: two PEM files."""
    now, authority = datetime.now(UTC), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of a test")])

    def signed(subject: x509.Name, key: ec.EllipticCurvePublicKey, more: x509.ExtensionType) -> bytes:
        made = x509.CertificateBuilder(name, subject, key, x509.random_serial_number())
        made = made.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=12))
        return (
            made.add_extension(more, critical=False)
            .sign(authority, hashes.SHA256())
            .public_bytes(serialization.Encoding.PEM)
        )

    ca, server = folder / "ca.pem", folder / "server.pem"
    ca.write_bytes(signed(name, authority.public_key(), x509.BasicConstraints(ca=True, path_length=None)))
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HERE))])
    own = signed(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HERE)]), key.public_key(), names)
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    server.write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()) + own)
    return ca, server


class Broker(NamedTuple):
    """A broker that is the local stack's in everything but that it asks for TLS; `address` is its superuser's. It began
    without logins, and was told `before` then."""

    home: Home
    address: str
    before: Receipt


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    kafka.ensure_artifacts()
    folder = tmp_path_factory.mktemp("tls")
    ca, server = certificate(folder)
    home = Home(folder / "home")
    home.make()
    with claims() as claim:
        ports = choose(home.ports_file, claim, usual=False)
        at, part = f"{HERE}:{ports['kafka']}", kafka.part(home, ports["kafka"])
        kafka.make_data_folder(home, ports["kafka"], ports["kafka_controller"])
        properties = home.folder / "kafka/server.properties"
        text = properties.read_text()
        properties.write_text(_without_logins(text))
        with _running(part, Probe("kafka", at)):
            kafka.make_topics(at)
            before = written(at)
        # A broker calls itself over its one listener, and has to believe itself.
        tls = f"ssl.keystore.type=PEM\nssl.keystore.location={server}\n"
        tls += f"ssl.truststore.type=PEM\nssl.truststore.location={ca}\n"
        properties.write_text(text.replace("SASL_PLAINTEXT:SASL_PLAINTEXT", "SASL_PLAINTEXT:SASL_SSL") + tls)
        address = f"sasl+tls://{kafka.OURS}:{home.secret('kafka.encore.password')}@{at}?mechanism=PLAIN&ca={ca}"
        with _running(part, Probe("kafka", without_login(address))):
            kafka.make_topics(address)
            kafka.make_logins(home, address)
            yield Broker(home, address, before)
    home.short.rmdir()


def _without_logins(text: str) -> str:
    """The configuration of a version that asked nobody."""
    kept = [line for line in text.splitlines() if not re.match(r".*sasl\.|authorizer|super\.users", line)]
    return "\n".join(kept).replace("SASL_PLAINTEXT", "PLAINTEXT") + "\n"


@contextmanager
def _running(part: Part, probe: Probe) -> Iterator[None]:
    process, deadline = subprocess.Popen(part.command), time.monotonic() + PATIENCE_S
    try:
        while wrong := ask(probe):
            assert process.poll() is None, "it has ended"
            assert time.monotonic() < deadline, wrong
            time.sleep(0.2)
        yield
    finally:
        process.kill()
        process.wait()


def written(address: str, writing: Writing = KafkaWriter) -> Receipt:
    with closing(writing(address, delivery_s=PATIENCE_S)) as writer:
        [receipt] = writer.send_all([Outgoing(HEARTBEATS, b"nobody", b"{}")])
    return receipt


def test_what_was_there_before_logins_is_there_with_them(broker: Broker) -> None:
    place = TopicPartition(broker.before.topic, broker.before.partition)
    with closing(KafkaReader(broker.address, "audit-before")) as reader:
        reader.subscribe([HEARTBEATS], lambda _: {}, lambda _: None)
        assert reader.end_offsets([place])[place] > broker.before.offset


@pytest.mark.parametrize("writing", [KafkaWriter, LibrdkafkaWriter])
def test_over_tls_a_login_writes_what_is_its_own(broker: Broker, writing: Writing) -> None:
    own = as_user(broker.address, GATEWAY, broker.home.secret("kafka.gateway.password"))
    assert written(own, writing).topic == HEARTBEATS


def test_without_tls_nothing_is_answered(broker: Broker) -> None:
    assert ask(Probe("kafka", servers(broker.address)), PATIENCE_S) == "the broker closed the connection"


@pytest.mark.parametrize("writing", [KafkaWriter, LibrdkafkaWriter])
def test_without_its_authority_the_broker_is_not_believed(
    broker: Broker, writing: Writing, caplog: pytest.LogCaptureFixture
) -> None:
    """A login must not go to whoever pretends to be the broker."""
    address = f"sasl+tls://{GATEWAY}:{broker.home.secret('kafka.gateway.password')}@{servers(broker.address)}"
    assert "CERTIFICATE_VERIFY_FAILED" in ask(Probe("kafka", without_login(address)), PATIENCE_S)

    def disbelieved() -> bool:
        with closing(writing(address, delivery_s=1)) as writer, pytest.raises(NotAcknowledged):
            writer.send_all([Outgoing(HEARTBEATS, b"nobody", b"{}")])
        return "certificate_verify_failed" in caplog.text.lower().replace(" ", "_")

    until(disbelieved)
