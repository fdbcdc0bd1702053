"""What the factory counts, and how the numbers get from the Ray Train worker to the process that serves them.

The worker may run on another node and has no port of its own: it writes the exposition text into the factory's folder,
`training.main` reads it there at each scrape.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, write_to_textfile
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

FILE = "metrics.prom"


class FactoryMetrics:
    """The worker's numbers."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self.registry = CollectorRegistry()
        self.rounds = Counter(
            "encore_factory_rounds_total", "Rounds that ended, by how", ["status"], registry=self.registry
        )
        self.adapters = Counter("encore_factory_adapters_total", "Adapters registered", registry=self.registry)
        self.attempts = Counter(
            "encore_factory_attempts_total", "Processes started for rounds, by how they ended", ["end"],
            registry=self.registry,
        )  # fmt: skip
        self.phases = Counter(
            "encore_factory_phase_seconds_total", "Time spent in each phase of rounds", ["phase"],
            registry=self.registry,
        )  # fmt: skip
        self.steps = Counter(
            "encore_factory_steps_total", "Optimiser steps over all listeners of a batch", registry=self.registry
        )
        self.loss = Gauge(
            "encore_factory_loss_ratio", "Mean flow-matching loss of the last step", registry=self.registry
        )
        self.progress = Gauge(
            "encore_factory_round_progress_ratio", "How far the running round's training is", registry=self.registry
        )
        self.due = Gauge("encore_factory_due_listeners", "Listeners of the running round", registry=self.registry)
        self.left_out = Counter(
            "encore_factory_left_out_total",
            "Listeners left out of a round because something of theirs could not be read or trained",
            registry=self.registry,
        )
        self.resting = Gauge(
            "encore_factory_resting_listeners", "Listeners let alone after several such rounds", registry=self.registry
        )
        self.polled = Gauge(
            "encore_factory_last_poll_timestamp_seconds", "When the worker last asked what is due",
            registry=self.registry,
        )  # fmt: skip

    def heard(self, event: str, facts: Mapping[str, float | str]) -> None:
        """Takes in one line that a round's process said."""
        if event == "training":
            self.steps.inc()
            self.loss.set(float(facts["loss"]))
            self.progress.set(float(facts["rows_steps"]) / float(facts["rows_steps_total"]))
        elif event == "phase":
            self.phases.labels(str(facts["name"])).inc(float(facts["seconds"]))
        elif event == "left_out":
            self.left_out.inc(float(facts["listeners"]))
        elif event == "finished":
            self.adapters.inc(float(facts["adapters"]))

    def publish(self) -> None:
        """Writes all numbers where `Published` reads them, in one step."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_to_textfile(os.fspath(self._path), self.registry)


class Published(Collector):
    """The numbers that a worker last published, for the registry of another process."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def collect(self) -> Iterable[Metric]:
        if self._path.exists():
            yield from text_string_to_metric_families(self._path.read_text())

    def describe(self) -> Iterable[Metric]:
        return []
