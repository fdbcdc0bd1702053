"""Which tests stay together when several processes share them (pytest-xdist's `loadgroup`)."""

import pytest

SLOW_SERVERS = {"kafka_bootstrap", "mlflow_url"}


def assign(items: list[pytest.Item]) -> None:
    """A file stays whole: what it makes once is made once. The end-to-end tests stay together, for they have one stack
    and an order, and begin at once, for they take longest; so do those of the servers that start slowly, and those of
    the chart, which install their tools."""
    items.sort(key=is_e2e, reverse=True)
    slow = {item.path for item in items if SLOW_SERVERS & set(getattr(item, "fixturenames", ()))}
    for item in items:
        if is_e2e(item):
            group = "e2e"
        elif item.path in slow:
            group = "servers"
        else:
            group = "chart" if item.path.parent.name == "helm" else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(group))


def is_e2e(item: pytest.Item) -> bool:
    return item.get_closest_marker("e2e") is not None
