"""`python -m services.kafka_logins`: makes the logins of Encore's processes at Kafka, and leaves each with exactly the
rights of `services.kafka_grants`. `ENCORE_KAFKA_BOOTSTRAP` is then that of a superuser."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from kafka.errors import KafkaError

from services.errors import BackendAway
from services.kafka_access import as_user, options
from services.kafka_grants import USERS, Right, rights

_SEEN_S: Final = 120.0
_CONNECT_MS: Final = 30_000
"""A refusal comes at once; so long is waited for a broker that is slow."""


def apply(bootstrap: str, passwords: Mapping[str, str]) -> None:
    """Give each user of `passwords` that password, and every user of ours their rights and no others. When it returns
    the broker that was asked keeps to it. Repeating it changes nothing.

    Raises:
        BackendAway: Kafka cannot be reached, or refuses.
        ValueError: a user is none of ours.
    """
    unknown = set(passwords) - set(USERS)
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))}: expected one of {', '.join(USERS)}")
    try:
        admin = KafkaAdminClient(**options(bootstrap), client_id="encore-logins", bootstrap_timeout_ms=_CONNECT_MS)
    except KafkaError as error:
        raise BackendAway("kafka", f"Kafka cannot be reached ({type(error).__name__})") from error
    try:
        _give_passwords(admin, passwords)
        _give_rights(admin)
        for user, password in passwords.items():
            _seen(partial(_is_let_in, as_user(bootstrap, user, password)))
    except KafkaError as error:
        raise BackendAway("kafka", f"Kafka refuses: {error}") from error
    finally:
        admin.close()


def _give_passwords(admin: Any, passwords: Mapping[str, str]) -> None:
    mechanism = ScramMechanism.SCRAM_SHA_512
    wanted = [UserScramCredentialUpsertion(user, mechanism, password) for user, password in passwords.items()]
    refused = {user: said for user, said in admin.alter_user_scram_credentials(wanted).items() if said}
    if refused:
        raise BackendAway("kafka", f"Kafka makes no logins: {refused}")


def _is_let_in(address: str) -> bool:
    """A broker tells of a user before it takes the new password."""
    try:
        KafkaAdminClient(**options(address), client_id="encore-logins", bootstrap_timeout_ms=_CONNECT_MS).close()
    except KafkaError:
        return False
    return True


def _give_rights(admin: Any) -> None:
    present, wanted = _present(admin), {_acl(right) for right in rights()}
    if present - wanted:
        admin.delete_acls([_filter(acl) for acl in present - wanted])
    if wanted - present:
        failed = admin.create_acls(list(wanted - present))["failed"]
        if failed:
            raise BackendAway("kafka", f"Kafka gives no rights: {failed}")
    _seen(lambda: _present(admin) == wanted)


def _present(admin: Any) -> set[ACL]:
    """The rights that our users have."""
    every = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
    acls, _ = admin.describe_acls(ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, every))
    ours = {_principal(user) for user in USERS}
    return {acl for acl in acls if acl.principal in ours}


def _acl(right: Right) -> ACL:
    kind, pattern = ResourceType[right.kind.upper()], ACLResourcePatternType.LITERAL
    if right.kind == "group":
        pattern = ACLResourcePatternType.PREFIXED
    resource = ResourcePattern(kind, right.name, pattern)
    return ACL(_principal(right.user), "*", ACLOperation[right.operation], ACLPermissionType.ALLOW, resource)


def _filter(acl: ACL) -> ACLFilter:
    at = acl.resource_pattern
    place = ResourcePatternFilter(at.resource_type, at.resource_name, at.pattern_type)
    return ACLFilter(acl.principal, acl.host, acl.operation, acl.permission_type, place)


def _principal(user: str) -> str:
    return f"User:{user}"


def _seen(there: Callable[[], bool]) -> None:
    """What the controller has written reaches the broker a moment later."""
    deadline = time.monotonic() + _SEEN_S
    while not there():
        if time.monotonic() > deadline:
            raise BackendAway("kafka", f"The broker does not follow its controller within {_SEEN_S:.0f} s")
        time.sleep(0.05)


def _read(file: Path) -> dict[str, str]:
    found = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(found, dict) or not all(isinstance(password, str) and password for password in found.values()):
        raise ValueError(f"{file}: expected one JSON object of users, each with a password")
    return found


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m services.kafka_logins", description=__doc__)
    parser.add_argument("passwords", type=Path, metavar="FILE", help=f"JSON: a password for each of {', '.join(USERS)}")
    try:
        apply(os.environ["ENCORE_KAFKA_BOOTSTRAP"], _read(parser.parse_args(arguments).passwords))
    except KeyError:
        print("ENCORE_KAFKA_BOOTSTRAP is not set, and has no default.", file=sys.stderr)
        return 2
    except (OSError, ValueError, BackendAway) as error:
        print(f"encore: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
