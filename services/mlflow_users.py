"""Who may enter MLflow and what each may do there: `python -m services.mlflow_users`, as MLflow's administrator.

For a server with MLflow's own `basic-auth` app and the default permission `NO_PERMISSIONS`. The same again changes
nothing; a user whose password is another gets the one that is told.
"""

import sys
from collections.abc import Mapping
from typing import Any, Final

import httpx
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.settings import PREFIX, read

ADMIN: Final = "admin"
GRANTS: Final[Mapping[str, Mapping[str, str]]] = {
    # Runs with their artifacts, models and versions: made, and removed with a listener who is erased.
    "factory": {"experiment": "MANAGE", "registered_model": "MANAGE"},
    # Aliases: MLflow asks for the right to manage the model where one is dropped. The tier below says that neither a
    # version nor, with its versions, a model may be removed; runs and their artifacts are not even read.
    "rollout": {"registered_model": "MANAGE", "registered_model_version": "READ", "experiment": "DENY"},
    # People who follow a link to a run or a version.
    "operator": {"experiment": "READ", "registered_model": "READ"},
}
"""Permission by type of resource, on all of that type, by user."""

_USERS: Final = "/api/2.0/mlflow/users"
_PERMISSIONS: Final = "/api/3.0/mlflow/users/permissions"
_KNOWN: Final = ("RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST")


class UsersError(Exception):
    """MLflow does not do what was asked; the text says what it answered."""


class UserSettings(BaseSettings):
    """Where MLflow is, and the password of its administrator and of each user."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    mlflow_url: str
    mlflow_admin_password: SecretStr
    mlflow_factory_password: SecretStr = Field(min_length=12)
    mlflow_rollout_password: SecretStr = Field(min_length=12)
    mlflow_operator_password: SecretStr = Field(min_length=12)


def make(url: str, admin_password: str, passwords: Mapping[str, str]) -> None:
    """Make each user of `GRANTS` with their password, and leave each with exactly what is declared for all of a type.

    Raises:
        UsersError: MLflow is away, does not know the administrator, or refuses.
    """
    try:
        with httpx.Client(base_url=url, auth=(ADMIN, admin_password), timeout=60) as client:
            for user, grants in GRANTS.items():
                _make(client, user, passwords[user])
                for kind, permission in grants.items():
                    _grant(client, user, kind, permission)
    except httpx.TransportError as error:
        raise UsersError(f"MLflow at {url} cannot be reached: {type(error).__name__}") from error


def _make(client: httpx.Client, user: str, password: str) -> None:
    known = client.get(f"{_USERS}/current", auth=(user, password))
    if known.is_success:
        return
    login = {"username": user, "password": password}
    if _asked(client, "POST", f"{_USERS}/create", login) == "RESOURCE_ALREADY_EXISTS":
        _asked(client, "PATCH", f"{_USERS}/update-password", login)


def _grant(client: httpx.Client, user: str, kind: str, permission: str) -> None:
    which = {"username": user, "resource_type": kind, "resource_id": "*"}
    if _asked(client, "POST", f"{_PERMISSIONS}/grant", {**which, "permission": permission}):
        found = client.get(f"{_PERMISSIONS}/get", params=which)
        if found.is_success and found.json()["permission"] == permission:
            return
        _asked(client, "DELETE", f"{_PERMISSIONS}/revoke", which)
        _asked(client, "POST", f"{_PERMISSIONS}/grant", {**which, "permission": permission})


def _asked(client: httpx.Client, method: str, path: str, content: Mapping[str, Any]) -> str:
    """ "" where it was done, else which of the known errors was answered."""
    answer = client.request(method, path, json=content)
    if answer.is_success:
        return ""
    for code in _KNOWN:
        if code in answer.text:
            return code
    raise UsersError(f"MLflow answered {answer.status_code} to {method} {path}: {answer.text[:200]}")


def main() -> int:
    settings = read(UserSettings)
    passwords = {user: getattr(settings, f"mlflow_{user}_password").get_secret_value() for user in GRANTS}
    try:
        make(settings.mlflow_url, settings.mlflow_admin_password.get_secret_value(), passwords)
    except UsersError as error:
        print(f"encore: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
