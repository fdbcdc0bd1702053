"""Pages of several replicas make one page that Prometheus' own parser reads."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from serving.exposition import merge


def page(replica: str, count: int) -> bytes:
    registry = CollectorRegistry()
    Counter("tracks_total", "Tracks", ("replica",), registry=registry).labels(replica).inc(count)
    Histogram("step_seconds", "Steps", ("replica",), registry=registry).labels(replica).observe(count)
    return generate_latest(registry)


def test_samples_of_all_replicas_are_there_under_one_head() -> None:
    text = merge([page("a", 1), page("b", 2)]).decode()
    assert text.count("# TYPE tracks_total ") == 1
    families = {family.name: family for family in text_string_to_metric_families(text)}
    tracks = {s.labels["replica"]: s.value for s in families["tracks"].samples if s.name == "tracks_total"}
    assert tracks == {"a": 1, "b": 2}
    sums = {s.labels["replica"]: s.value for s in families["step_seconds"].samples if s.name.endswith("_sum")}
    assert sums == {"a": 1, "b": 2}


def test_one_page_stays_what_it_was_and_none_is_empty() -> None:
    one = page("a", 1)
    assert merge([one]) == one
    assert merge([]) == b"\n"
