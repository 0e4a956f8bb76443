"""Metrics and spans of HTTP requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from copilot_pipeline.telemetry import otel
from copilot_pipeline.telemetry.metrics import LIMITER_WAIT_SECONDS, REQUEST_SECONDS, REQUESTS
from copilot_pipeline.telemetry.recorder import MetricRecorder

NO_RESPONSE = "no_response"  # the status of a request that got no complete response
_waits = threading.local()


@dataclass(slots=True)
class RequestOutcome:
    """What became of a request. The client sets the status."""

    status: int | None = None


class RequestMetrics:
    """Records the requests to one service by one source. Thread-safe."""

    def __init__(self, recorder: MetricRecorder, service: str, source: str) -> None:
        self._recorder = recorder
        self._service = service
        self._source = source

    def waited(self, seconds: float) -> None:
        """Record the wait of a request for the rate limiter."""
        _waits.seconds = seconds_waited() + seconds
        self._recorder.observe(LIMITER_WAIT_SECONDS, seconds, source=self._source)

    @contextmanager
    def request(self, method: str) -> Iterator[RequestOutcome]:
        """Record the request that is sent inside the block. Neither its address nor its content is recorded."""
        outcome, started = RequestOutcome(), time.perf_counter()
        with otel.span(f"{method} {self._service}", {"http.request.method": method}) as span:
            try:
                yield outcome
            finally:
                status = str(outcome.status) if outcome.status is not None else NO_RESPONSE
                span.set("http.response.status_code", outcome.status or 0)
                self._recorder.count(REQUESTS, service=self._service, source=self._source, status=status)
                self._recorder.observe(REQUEST_SECONDS, time.perf_counter() - started, service=self._service)


def seconds_waited() -> float:
    """Return for how long this thread has waited for rate limiters since it began."""
    return float(getattr(_waits, "seconds", 0.0))
