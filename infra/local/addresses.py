"""The addresses that a person needs once the stack is up."""

from pathlib import Path

from infra.local.home import Home
from infra.local.mlflow import password_file
from infra.local.part import Stack
from infra.local.told import KEY_OF_RAY
from services.principals.keys import KeysError, load
from services.principals.login import LoginError, login_url

DEMO = "demo"
"""The product of the demo's listeners."""


def addresses(stack: Stack) -> dict[str, str]:
    """Title to address, in the order in which they are shown; without the pages that ask for a login."""
    environment = stack.environment
    gateway = stack.part("gateway").address
    pages = {
        "API document": f"{gateway}/openapi.json",
        "MLflow": environment["ENCORE_MLFLOW_URL"],
        "Ray dashboard": stack.part("ray").address,
    }
    metrics = {f"metrics of {part.name}": part.metrics for part in stack.parts if part.metrics}
    return pages | metrics


def logins(stack: Stack, listener: str | None) -> dict[str, str]:
    """Title to an address that lets in once, within an hour: to the listening page as this listener of the demo, or as
    somebody new. Behind the #: browsers do not send it on.

    Raises:
        LoginError: the gateway gives none.
    """
    keys, gateway = load(Path(stack.environment["ENCORE_KEYS_FILE"])), stack.part("gateway").address
    return {
        "listening page": login_url(keys, gateway, service=DEMO if listener else "encore", listener=listener),
        "operator's page": login_url(keys, gateway, staff=("operator", "local")),
        "analyst's page": login_url(keys, gateway, staff=("analyst", "local")),
    }


def show(stack: Stack, listener: str | None = None) -> None:
    """Print them; `listener` is whom of the demo the listening page lets in as."""
    try:
        for title, address in logins(stack, listener).items():
            print(f"  {title:<24}{address}")
        print("  (each of the three lets in once, within an hour; ./encore access login makes another)")
    except (LoginError, KeysError) as error:
        print(f"  There is no login now: {error}")
    for title, address in addresses(stack).items():
        print(f"  {title:<24}{address}")
    home = Home(Path(stack.environment["ENCORE_HOME"]))
    if stack.part("ray").is_ours:
        print(f"The Ray dashboard asks for a token: it is in {home.secret_file(KEY_OF_RAY)}.")
    if stack.part("mlflow").is_ours:
        print(f"MLflow asks for a login: operator, with the password in {home.secret_file(password_file('operator'))}.")
