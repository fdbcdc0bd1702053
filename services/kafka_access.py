"""Where Kafka is and as whom one speaks to it, in one text, as a connection string of PostgreSQL is one:

    HOST:PORT[,HOST:PORT...]                        whoever asks, unencrypted
    sasl://USER:PASSWORD@HOST:PORT[,...]            with a login (SCRAM-SHA-512)
    sasl+tls://USER:PASSWORD@HOST:PORT[,...]        the same over TLS
    tls://HOST:PORT[,...]                           TLS alone

`?ca=FILE` names the authorities that are believed instead of the system's, `?mechanism=PLAIN` another mechanism.
"""

import logging
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs, quote, unquote

_PROTOCOLS: Final[Mapping[str, str]] = {
    "": "PLAINTEXT",
    "sasl": "SASL_PLAINTEXT",
    "tls": "SSL",
    "sasl+tls": "SASL_SSL",
}
# kafka-python warns at every connection with a login and without TLS: who writes the address has chosen that.
logging.getLogger("kafka.net.sasl").setLevel(logging.ERROR)
_MECHANISMS: Final = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")
# What librdkafka calls the options of kafka-python.
_LIBRDKAFKA: Final = {
    "bootstrap_servers": "bootstrap.servers",
    "security_protocol": "security.protocol",
    "sasl_mechanism": "sasl.mechanism",
    "sasl_plain_username": "sasl.username",
    "sasl_plain_password": "sasl.password",
    "ssl_cafile": "ssl.ca.location",
}
_AFTER: Final = (
    "after ? come ca=FILE and mechanism=SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN; a ? in a password is written %3F"
)


def options(address: str) -> dict[str, Any]:
    """What a client of kafka-python is made with.

    Raises:
        ValueError: the text is not of the form above; the message does not repeat it, for it may hold a password.
    """
    scheme, login, hosts, more = _parts(address)
    found: dict[str, Any] = {"bootstrap_servers": hosts, "security_protocol": _PROTOCOLS[scheme]}
    if scheme.startswith("sasl"):
        user, _, password = login.partition(":")
        found |= {"sasl_mechanism": more.get("mechanism", _MECHANISMS[0])}
        found |= {"sasl_plain_username": unquote(user), "sasl_plain_password": unquote(password)}
    if "ca" in more:
        found["ssl_cafile"] = more["ca"]
    return found


def librdkafka_options(address: str) -> dict[str, str]:
    """What a client of confluent-kafka is made with. Raises ValueError as `options`."""
    found = options(address)
    return {_LIBRDKAFKA[name]: ",".join(said) if isinstance(said, list) else said for name, said in found.items()}


def servers(address: str) -> str:
    """`HOST:PORT[,HOST:PORT...]` alone. Raises ValueError as `options`."""
    return ",".join(_parts(address)[2])


def without_login(address: str) -> str:
    """The same brokers, over TLS if they were, as nobody. Raises ValueError as `options`."""
    scheme, _, found, more = _parts(address)
    return f"tls://{','.join(found)}{_authorities(more)}" if "tls" in scheme else ",".join(found)


def as_user(address: str, user: str, password: str) -> str:
    """The same brokers, over TLS if they were, with this login. Raises ValueError as `options`."""
    scheme, _, found, more = _parts(address)
    own = "sasl+tls" if "tls" in scheme else "sasl"
    return f"{own}://{quote(user, safe='')}:{quote(password, safe='')}@{','.join(found)}{_authorities(more)}"


def _authorities(more: Mapping[str, str]) -> str:
    return f"?ca={quote(more['ca'])}" if "ca" in more else ""


def _parts(address: str) -> tuple[str, str, list[str], dict[str, str]]:
    head, _, rest = address.rpartition("://")
    rest, _, query = rest.partition("?")
    login, _, at = rest.rpartition("@")
    hosts = at.split(",")
    more = _query(query)
    if head not in _PROTOCOLS:
        raise ValueError("the scheme must be sasl, sasl+tls or tls, or there is none")
    if head.startswith("sasl") != (":" in login) or (login and not head.startswith("sasl")):
        raise ValueError("USER:PASSWORD@ belongs before the hosts with sasl, and only there")
    if not all(host and port.isdigit() for host, _, port in (each.rpartition(":") for each in hosts)):
        raise ValueError("expected HOST:PORT, several separated by commas")
    if set(more) - {"ca", "mechanism"} or more.get("mechanism", _MECHANISMS[0]) not in _MECHANISMS:
        raise ValueError(_AFTER)
    return head, login, hosts, more


def _query(text: str) -> dict[str, str]:
    try:
        return {name: values[-1] for name, values in parse_qs(text, strict_parsing=bool(text)).items()}
    except ValueError:  # its message repeats the text
        raise ValueError(_AFTER) from None
