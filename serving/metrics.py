"""What a replica counts. One registry a process, made by whoever starts it."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.cache import DiskCache
from serving.engine.params import State, StepReport
from serving.registry import Lookup

ROWS = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64)
STEP_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
LOAD_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5)
REALTIME = (0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
TRACK_SECONDS = (0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300)


class Metrics:
    """Steps, tracks and songs of one replica."""

    def __init__(self, registry: CollectorRegistry, replica: str) -> None:
        self.replica = replica
        labels = ("replica",)
        self._rows = Histogram(
            "encore_engine_batch_rows", "Rows of one forward", labels, registry=registry, buckets=ROWS
        )
        self._step = Histogram(
            "encore_engine_step_seconds", "Time of one forward", labels, registry=registry, buckets=STEP_SECONDS
        )
        self._tracks = Counter(
            "encore_engine_tracks_total",
            "Tracks ended, by arm and outcome",
            ("replica", "arm", "outcome"),
            registry=registry,
        )
        self._time = Histogram(
            "encore_engine_track_seconds",
            "Time from request to audio in the store",
            ("replica", "arm"),
            registry=registry,
            buckets=TRACK_SECONDS,
        )
        self._realtime = Histogram(
            "encore_engine_track_realtime_ratio",
            "Seconds of audio per second from request to audio in the store",
            ("replica", "arm"),
            registry=registry,
            buckets=REALTIME,
        )
        self._first = Histogram(
            "encore_engine_first_audio_seconds",
            "Time from request to the first seconds of audio in the store",
            ("replica", "arm"),
            registry=registry,
            buckets=TRACK_SECONDS,
        )
        self._audio = Counter("encore_engine_audio_seconds_total", "Audio made", ("replica", "arm"), registry=registry)
        self._busy = Counter(
            "encore_engine_busy_seconds_total",
            "Time in which the denoiser ran; audio over busy is the real-time factor",
            labels,
            registry=registry,
        )
        self._songs = Counter(
            "encore_engine_songs_total", "Songs taken in, by outcome", ("replica", "outcome"), registry=registry
        )
        self._again = Counter(
            "encore_engine_tracks_made_again_total",
            "Attempts at tracks that came too close to a song and were not stored",
            labels,
            registry=registry,
        )
        self._lookups = Counter(
            "encore_engine_adapter_lookups_total",
            "Adapters asked for, by where they were found: memory, disk or store",
            ("replica", "tier"),
            registry=registry,
        )
        self._load = Histogram(
            "encore_engine_adapter_load_seconds",
            "Time from reading an adapter to handing it to the pool",
            ("replica", "tier"),
            registry=registry,
            buckets=LOAD_SECONDS,
        )
        self._read = Counter(
            "encore_engine_adapter_read_bytes_total", "Adapter files read", ("replica", "tier"), registry=registry
        )
        self._refused = Counter(
            "encore_engine_adapters_refused_total",
            "Published adapters that were refused, by reason",
            ("replica", "code"),
            registry=registry,
        )

    def step(self, report: StepReport) -> None:
        """One forward."""
        self._rows.labels(self.replica).observe(report.rows)
        self._step.labels(self.replica).observe(report.seconds)
        self._busy.labels(self.replica).inc(report.seconds)

    def first_audio(self, arm: str, waited_s: float) -> None:
        """One track of which something can be heard."""
        self._first.labels(self.replica, arm).observe(waited_s)

    def track(self, arm: str, outcome: str, waited_s: float, audio_s: float) -> None:
        """One track that ended: `done`, `cancelled` or a problem's code."""
        self._tracks.labels(self.replica, arm, outcome).inc()
        if outcome == "done":
            self._time.labels(self.replica, arm).observe(waited_s)
            self._realtime.labels(self.replica, arm).observe(audio_s / max(waited_s, 1e-9))
            self._audio.labels(self.replica, arm).inc(audio_s)

    def adapter(self, lookup: Lookup) -> None:
        """One adapter that was found."""
        self._lookups.labels(self.replica, lookup.tier).inc()
        if lookup.tier != "memory":
            self._load.labels(self.replica, lookup.tier).observe(lookup.seconds)
            self._read.labels(self.replica, lookup.tier).inc(lookup.size)

    def adapter_refused(self, code: str) -> None:
        """One published adapter that cannot be used."""
        self._refused.labels(self.replica, code).inc()

    def made_again(self) -> None:
        """One attempt at a track that came too close to a song."""
        self._again.labels(self.replica).inc()

    def song(self, outcome: str) -> None:
        """One song: `done`, `cancelled` or a problem's code."""
        self._songs.labels(self.replica, outcome).inc()


class EngineCollector(Collector):
    """Reads the engine's own state whenever it is scraped."""

    def __init__(self, replica: str, state: Callable[[], State], cache: DiskCache | None) -> None:
        self._replica, self._state, self._cache = replica, state, cache

    def collect(self) -> Iterator[Metric]:
        """One family a number."""
        state = self._state()
        yield self._gauge("queue_requests", "Requests that wait", state.waiting)
        yield self._gauge("running_requests", "Requests in the batch", state.jobs)
        yield self._gauge("running_rows", "Rows in the batch", state.rows)
        yield self._gauge("adapters_resident", "Adapters that have a slot", len(state.resident))
        yield self._gauge("adapters_pinned", "Adapters that a request holds", state.pinned)
        yield self._gauge("adapter_slots", "Slots of the pool, the base included", state.slots)
        yield self._counter("adapters_loaded", "Adapters put into a slot", state.loaded)
        yield self._counter("adapters_evicted", "Adapters that lost their slot", state.evicted)
        if self._cache is not None:
            yield self._gauge("adapter_cache_bytes", "Copies of adapters on the local disk", self._cache.size)
            yield self._counter("adapter_cache_evicted", "Copies removed to make room", self._cache.evicted)

    def _gauge(self, name: str, text: str, value: float) -> Metric:
        family = GaugeMetricFamily(f"encore_engine_{name}", text, labels=["replica"])
        family.add_metric([self._replica], value)
        return family

    def _counter(self, name: str, text: str, value: float) -> Metric:
        family = CounterMetricFamily(f"encore_engine_{name}", text, labels=["replica"])
        family.add_metric([self._replica], value)
        return family
