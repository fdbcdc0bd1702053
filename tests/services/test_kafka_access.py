"""One text says where Kafka is and as whom."""

import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kafka_access import as_user, options, servers, without_login
from services.settings import Settings, read

WORDS = st.text(min_size=1, max_size=12)


def test_plain_servers_are_spoken_to_in_the_open() -> None:
    assert options("a:1,b:2") == {"bootstrap_servers": ["a:1", "b:2"], "security_protocol": "PLAINTEXT"}


def test_a_login_is_by_scram_unless_it_says_otherwise() -> None:
    found = options("sasl://me:p%40ss@a:1,b:2")
    assert found == {
        "bootstrap_servers": ["a:1", "b:2"],
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "me",
        "sasl_plain_password": "p@ss",
    }
    assert options("sasl://me:x@a:1?mechanism=PLAIN")["sasl_mechanism"] == "PLAIN"


def test_authorities_of_ones_own_are_named() -> None:
    found = options("sasl+tls://me:x@a:1?ca=/keys/ca.pem")
    assert (found["security_protocol"], found["ssl_cafile"]) == ("SASL_SSL", "/keys/ca.pem")
    assert options("tls://a:1")["security_protocol"] == "SSL"


@given(WORDS, WORDS)
def test_another_login_is_told_as_it_is_and_taken_off_again(user: str, password: str) -> None:
    own = as_user("sasl://root:secret@a:1,b:2?mechanism=PLAIN", user, password)
    found = options(own)
    assert (found["sasl_plain_username"], found["sasl_plain_password"]) == (user, password)
    assert found["sasl_mechanism"] == "SCRAM-SHA-512"
    assert servers(own) == without_login(own) == "a:1,b:2"


def test_with_another_login_or_none_it_stays_encrypted() -> None:
    address = "sasl+tls://root:secret@a:1,b:2?ca=/keys/my%20ca.pem"
    nobody = without_login(address)
    assert nobody == "tls://a:1,b:2?ca=/keys/my%20ca.pem"
    assert options(as_user(nobody, "me", "x"))["security_protocol"] == "SASL_SSL"
    assert options(as_user(nobody, "me", "x"))["ssl_cafile"] == "/keys/my ca.pem"
    assert options(as_user("a:1", "me", "x"))["security_protocol"] == "SASL_PLAINTEXT"


WRONG = [
    "",
    "a",
    "a:b",
    "a:1,",
    "http://a:1",
    "sasl://a:1",
    "sasl://me@a:1",
    "me:x@a:1",
    "tls://me:x@a:1",
    "tls://a:1?ca",
    "tls://a:1?who=me",
    "sasl://me:x@a:1?mechanism=GSSAPI",
]


@pytest.mark.parametrize("address", WRONG)
def test_what_is_none_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        options(address)


@pytest.mark.parametrize("address", ["sasl+tls://me:secret?hush@a:1", "sasl://me:secret?x=y&hush@a:1"])
def test_a_question_mark_in_a_password_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(ValueError, match=r"after \? come ca=FILE and mechanism=") as caught:
        options(address)
    assert "hush" not in "".join(traceback.format_exception(caught.value, limit=0))


@pytest.mark.parametrize("address", ["sasl://me:hush@a", "sasl://me:hush", "sasl:me:hush", "sasl://me:x?hush@a:1"])
def test_a_refused_setting_does_not_show_its_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    monkeypatch.setenv("ENCORE_POSTGRES_DSN", "postgresql://")
    monkeypatch.setenv("ENCORE_KAFKA_BOOTSTRAP", address)
    with pytest.raises(SystemExit):
        read(Settings)
    said = capsys.readouterr().err
    assert said.startswith("ENCORE_KAFKA_BOOTSTRAP: ")
    assert "hush" not in said
