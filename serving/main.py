"""The engine's driver: puts the application on the Ray cluster and stays until it is told to go.

Started again beside a running application it takes that over; Ray away or the application broken,
it ends with an error and its supervisor starts it again. `python -m serving.main`.
"""

import signal
import ssl
import sys
import threading
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from json import JSONDecodeError, loads
from types import FrameType

import ray
import structlog
from pydantic import ValidationError
from ray import serve
from ray.serve.schema import ApplicationStatus

from schemas.engine_token import headers
from serving.app import application, fingerprint
from serving.settings import Settings
from serving.telemetry import configure_logging

LOG = structlog.get_logger()
APPLICATION = "encore"
WATCH_S = 2.0
# Serve replaces a proxy that does not answer within seconds; on a machine under full load that never ends.
PATIENCE = {
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "120",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "60",
}


def main() -> int:
    """Deploys, watches, leaves; returns the exit status."""
    try:
        settings = Settings()
    except ValidationError as error:
        sys.stderr.write(f"The engine's settings are wrong: {error}\n")
        return 2
    configure_logging("engine", settings.log_level)
    try:
        ray.init(address=settings.ray_address, namespace=APPLICATION, log_to_driver=False, logging_level="WARNING")
    except ConnectionError as error:
        LOG.warning("ray_away", address=settings.ray_address, error=str(error))
        return 1
    leave = _leave_on_signals()
    _deploy(settings)
    status = _watch(leave)
    if status == 0:
        # Replicas end what they have at hand first.
        serve.shutdown()
        LOG.info("left")
    ray.shutdown()
    return status


def _leave_on_signals() -> threading.Event:
    """Set by SIGTERM and SIGINT. To be called after `ray.init`, which puts handlers that abort in their place."""
    leave = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        leave.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    return leave


def _deploy(settings: Settings) -> None:
    """Asks Serve for the application; whether it comes up is `_watch`'s to see."""
    wanted = fingerprint(settings)
    if _running(settings) == wanted:
        LOG.info("taken_over", url=settings.engine_url)
        return
    serve.start(
        proxy_location="HeadOnly",
        http_options={"host": settings.host, "port": settings.port, **settings.tls},
        controller_options={"runtime_env": {"env_vars": PATIENCE}},
    )
    target = serve.RunTarget(application(settings), name=APPLICATION, route_prefix="/")
    serve.run_many([target], wait_for_ingress_deployment_creation=False, wait_for_applications_running=False)
    LOG.info("deploying", url=settings.engine_url, fingerprint=wanted)


def _running(settings: Settings) -> str | None:
    """The fingerprint of an application that answers at our address."""
    connection = _connection(settings)
    try:
        connection.request("GET", "/status", headers=headers(settings.engine_token.get_secret_value()))
        body = loads(connection.getresponse().read())
    except (OSError, HTTPException, JSONDecodeError):
        return None
    finally:
        connection.close()
    return body.get("fingerprint") if isinstance(body, dict) and body.get("replicas") else None


def _connection(settings: Settings) -> HTTPConnection:
    """To our own address, which need not be the name that the certificate is for."""
    if settings.engine_certificate is None:
        return HTTPConnection(settings.host, settings.port, timeout=5)
    ours = ssl.create_default_context(cafile=settings.engine_certificate)
    ours.check_hostname, ours.verify_flags = False, ours.verify_flags | ssl.VERIFY_X509_PARTIAL_CHAIN
    return HTTPSConnection(settings.host, settings.port, timeout=5, context=ours)


def _watch(leave: threading.Event) -> int:
    """Waits for a signal; 1 if the application is gone or cannot be deployed."""
    before = None
    while not leave.wait(WATCH_S):
        found = serve.status().applications.get(APPLICATION)
        status = None if found is None else found.status
        if status != before:
            LOG.info("application", status=status, message="" if found is None else found.message)
        if status in (None, ApplicationStatus.DEPLOY_FAILED, ApplicationStatus.DELETING):
            return 1
        before = status
    return 0


if __name__ == "__main__":
    sys.exit(main())
