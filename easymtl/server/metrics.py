"""What Prometheus reads of a server."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)


class Metrics:
    """Counters of one server, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "easymtl_requests",
            "Requests to score, by protocol and code.",
            ["protocol", "code"],
            registry=self._registry,
        )
        self._rows = Counter("easymtl_rows", "Rows that were scored.", registry=self._registry)
        self._seconds = Histogram(
            "easymtl_request_seconds",
            "From the body of a request to its answer.",
            ["protocol"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._batch = Histogram(
            "easymtl_batch_rows", "Rows that were computed at once.", buckets=_ROWS, registry=self._registry
        )
        self._version = Gauge("easymtl_model_version", "The version that is served.", registry=self._registry)
        self._waiting = Gauge("easymtl_waiting_rows", "Rows that wait for the model.", registry=self._registry)

    def request(self, protocol: str, code: str, seconds: float, rows: int = 0) -> None:
        """Counts a request to score that was answered.

        Args:
            protocol: rest or grpc.
            code: OK, or the name of the refusal.
            seconds: that it took.
            rows: that were scored.
        """
        self._requests.labels(protocol, code).inc()
        self._seconds.labels(protocol).observe(seconds)
        self._rows.inc(rows)

    def batch(self, rows: int) -> None:
        """Counts a batch."""
        self._batch.observe(rows)

    def text(self, version: int, waiting_rows: int) -> bytes:
        """Returns everything in the text format of Prometheus."""
        self._version.set(version)
        self._waiting.set(waiting_rows)
        return generate_latest(self._registry)
