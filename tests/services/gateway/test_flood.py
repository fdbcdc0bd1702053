"""Whoever floods is refused in the end; a listener of another service is served all the while."""

from contextlib import closing

import pytest

from services.audit import Kind
from services.gateway.settings import GatewaySettings
from services.streams_memory import MemoryBroker
from tests.services.gateway.conftest import running
from tests.services.gateway.engine import ToneEngine
from tests.services.gateway.floods import FLOODING, PATIENCE_S, behaved, flood, flooding
from tests.services.gateway.ledgers import Clock

SMALL = {"budget_requests": 20, "budget_service_factor": 2.0}
WIDTH = 3


@pytest.mark.parametrize("kind", FLOODING)
def test_nobody_is_refused_for_what_another_floods(
    kind: Kind, settings: GatewaySettings, engine: ToneEngine, broker: MemoryBroker
) -> None:
    standing = Clock()  # by which no budget comes back
    with running(settings.model_copy(update=SMALL), engine, broker, standing) as gateway:
        quiet = behaved(gateway.url, settings.keys_file)
        with (
            flood(flooding(gateway.url, settings.keys_file, kind), WIDTH) as going,
            closing(quiet.connection()) as connection,
        ):
            assert going.began.wait(PATIENCE_S)
            during = [quiet.send(connection, request)[0] for request in quiet.requests]
            assert going.refused.wait(PATIENCE_S)
            beyond = [quiet.send(connection, request)[0] for request in quiet.requests]
        assert during + beyond == [200] * 2 * len(quiet.requests)
