"""`python -m services.gateway.main`: the gateway as a process."""

import signal
import sys

from schemas.topics import FEEDBACK
from services.gateway.app import create_app
from services.gateway.outbox import Outbox
from services.gateway.serve import Servers, listening
from services.gateway.settings import GatewaySettings
from services.principals.keys import KeysError, load
from services.settings import read
from services.streams_kafka import KafkaReader
from services.streams_writers import writer_to
from services.telemetry import configure_logging


def outbox_to(bootstrap: str) -> Outbox:
    """An outbox to Kafka; it connects when it is first used."""
    reader = KafkaReader(bootstrap, "encore-gateway")
    reader.subscribe(FEEDBACK, lambda _: {}, lambda _: None)  # names the topics; it never polls, so it never joins
    return Outbox(writer_to(bootstrap), reader)


def _require_keys(settings: GatewaySettings) -> None:
    """One sentence and exit status 2 where the keys cannot be used."""
    try:
        load(settings.keys_file)
    except KeysError as error:
        sys.stderr.write(f"ENCORE_KEYS_FILE: {error}\n")
        raise SystemExit(2) from error


def main() -> None:
    settings = read(GatewaySettings)
    configure_logging("gateway", settings.log_level)
    _require_keys(settings)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it again once it has shut down
    public = listening(settings.gateway_host, settings.gateway_port)
    inside = listening(settings.metrics_host, settings.metrics_port)
    app = create_app(settings, outbox_to(settings.kafka_bootstrap))
    Servers(app, public, inside, settings.gateway_connections).run()


if __name__ == "__main__":
    main()
