"""The gateway's Prometheus metrics, each with what it counts."""

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("encore_gateway_requests_total", "HTTP requests answered", ["method", "route", "status"])
REQUEST_SECONDS = Histogram(
    "encore_gateway_request_duration_seconds", "From the request's first byte to the answer's last", ["method", "route"]
)
EVENTS_ACCEPTED = Counter("encore_gateway_events_accepted_total", "Listener events acknowledged by Kafka", ["topic"])
EVENTS_REJECTED = Counter("encore_gateway_events_rejected_total", "Listener events refused", ["code"])
SONGS = Counter("encore_gateway_songs_total", "Songs taken in, by outcome", ["outcome"])
TRACKS = Counter("encore_gateway_tracks_total", "Tracks finished, by outcome and arm", ["outcome", "arm"])
TRACK_SECONDS = Histogram(
    "encore_gateway_track_duration_seconds",
    "From asking for a track to its audio being ready",
    buckets=(0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 600),
)
AUDIO_ERASED = Counter(
    "encore_gateway_audio_erased_total", "Sounds whose term was over and that the store confirmed gone", ["kind"]
)
TRACKS_OPEN = Gauge("encore_gateway_tracks_open", "Tracks this process is making now")
ENGINE_RETRIES = Counter("encore_gateway_engine_retries_total", "Requests to the engine that were repeated")
