"""The addresses that a person needs once the stack is up."""

from pathlib import Path

from infra.local.home import Home
from infra.local.part import Stack
from infra.local.plan import KEY_OF_RAY


def addresses(stack: Stack) -> dict[str, str]:
    """Title to address, in the order in which they are shown. The token is behind the #: browsers do not send it."""
    environment = stack.environment
    gateway = stack.part("gateway").address
    pages = {
        "listening page": f"{gateway}/#token={environment['ENCORE_API_TOKEN']}",
        "API document": f"{gateway}/openapi.json",
        "MLflow": environment["ENCORE_MLFLOW_URL"],
        "Ray dashboard": stack.part("ray").address,
    }
    metrics = {f"metrics of {part.name}": part.metrics for part in stack.parts if part.metrics}
    return pages | metrics


def show(stack: Stack) -> None:
    """Print them."""
    for title, address in addresses(stack).items():
        print(f"  {title:<24}{address}")
    if stack.part("ray").is_ours:
        file = Home(Path(stack.environment["ENCORE_HOME"])).secret_file(KEY_OF_RAY)
        print(f"The Ray dashboard asks for a token: it is in {file}.")
