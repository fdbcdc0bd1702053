"""The process in which erased listeners are removed from the model registry: `python -m training.forgetting_process`,
started by the Ray Train worker as `round_process` is, so that MLflow's client is there only while it is needed."""

import sys

import structlog

from training.round_process import AWAY, DONE, begin
from training.settings import Settings


def main() -> int:
    """Removes whoever is due, unless a round is worked on."""
    settings = begin()
    import psycopg

    from training.registry import RegistryUnavailable

    try:
        _work(settings)
    except (psycopg.OperationalError, psycopg.InternalError, RegistryUnavailable) as error:
        structlog.get_logger().warning("forgetting_waits", reason=str(error))
        return AWAY
    return DONE


def _work(settings: Settings) -> None:
    from training.forgetting import forget
    from training.registry import Registry
    from training.store import Store

    with Store(settings.postgres_dsn) as store:
        if store.claim_work():
            forget(store, Registry(settings.mlflow_url))


if __name__ == "__main__":
    sys.exit(main())
