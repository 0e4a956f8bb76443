"""OpenTelemetry: traces and metrics over OTLP, configured by the standard variables, if the SDK is installed.

Off unless OTEL_EXPORTER_OTLP_ENDPOINT, or the variable of one signal, is set. The variables of the SDK apply:
OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_EXPORTER_OTLP_HEADERS, OTEL_TRACES_SAMPLER,
OTEL_METRIC_EXPORT_INTERVAL, OTEL_TRACES_EXPORTER=none, OTEL_METRICS_EXPORTER=none, OTEL_SDK_DISABLED.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from copilot_pipeline.telemetry.metrics import Metric

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter
    from opentelemetry.trace import Tracer

NAME = "copilot_pipeline"
DEFAULT_SERVICE = "copilot-pipeline"
_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_SIGNAL_ENDPOINTS = {
    "traces": "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "metrics": "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
}
_PROTOCOL = "http/protobuf"
_logger = logging.getLogger(__name__)


class Span:
    """A span of a trace, or nothing if traces are off."""

    def __init__(self, span: Any = None) -> None:
        self._span = span

    def set(self, name: str, value: str | int | float) -> None:
        """Set an attribute."""
        if self._span is not None:
            self._span.set_attribute(name, value)


class _Exporter:
    """The tracer and the meter of this process; either may be off."""

    def __init__(self, tracer: Tracer | None, meter: Meter | None) -> None:
        self.tracer = tracer
        self._meter = meter
        self._lock = threading.Lock()
        self._instruments: dict[str, Any] = {}

    def add(self, metric: Metric, value: float, labels: Mapping[str, str]) -> None:
        """Pass a value to the instrument of a metric."""
        if self._meter is None:
            return
        with self._lock:
            instrument = self._instruments.get(metric.name)
            if instrument is None:
                instrument = self._instruments[metric.name] = self._made(self._meter, metric)
        if metric.buckets:
            instrument.record(value, dict(labels))
        else:
            instrument.add(value, dict(labels))

    @staticmethod
    def _made(meter: Meter, metric: Metric) -> Any:
        if metric.buckets:
            return meter.create_histogram(
                metric.name, "s", metric.description, explicit_bucket_boundaries_advisory=metric.buckets
            )
        return meter.create_counter(metric.name.removesuffix("_total"), description=metric.description)


def count(metric: Metric, number: float, labels: Mapping[str, str]) -> None:
    """Add to a counter of OpenTelemetry, if it is on."""
    exporter = _exporter()
    if exporter is not None:
        exporter.add(metric, number, labels)


def observe(metric: Metric, value: float, labels: Mapping[str, str]) -> None:
    """Add a value to a histogram of OpenTelemetry, if it is on."""
    count(metric, value, labels)


@contextmanager
def span(name: str, attributes: Mapping[str, str] | None = None) -> Iterator[Span]:
    """A span around the block, child of the span around it; nothing if traces are off. Errors have no message."""
    exporter = _exporter()
    if exporter is None or exporter.tracer is None:
        yield Span()
        return
    # The text of an exception may contain what a server answered, so only its type is recorded.
    with exporter.tracer.start_as_current_span(
        name, attributes=dict(attributes or {}), record_exception=False, set_status_on_exception=False
    ) as opened:
        try:
            yield Span(opened)
        except BaseException as error:
            from opentelemetry.trace import Status, StatusCode

            opened.set_attribute("error.type", type(error).__name__)
            opened.set_status(Status(StatusCode.ERROR))
            raise


@lru_cache(maxsize=1)
def _exporter() -> _Exporter | None:
    """Set up the export of this process, once."""
    wanted = {signal for signal in _SIGNAL_ENDPOINTS if _is_wanted(signal)}
    if not wanted:
        return None
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", _PROTOCOL)
    if protocol != _PROTOCOL:
        _logger.warning("OTEL_EXPORTER_OTLP_PROTOCOL=%s is not supported: set it to %s", protocol, _PROTOCOL)
        return None
    try:
        return _Exporter(
            _tracer() if "traces" in wanted else None,
            _meter() if "metrics" in wanted else None,
        )
    except ImportError:
        _logger.warning("%s is set, but OpenTelemetry is not installed: install copilot-pipeline[otel]", _ENDPOINT)
        return None


def _is_wanted(signal: str) -> bool:
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if os.environ.get(f"OTEL_{signal.upper()}_EXPORTER", "otlp").strip().lower() != "otlp":
        return False
    return bool(os.environ.get(_ENDPOINT) or os.environ.get(_SIGNAL_ENDPOINTS[signal]))


def _resource() -> Any:
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource

    named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return Resource.create({} if named else {SERVICE_NAME: DEFAULT_SERVICE})


def _tracer() -> Tracer:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=_resource())  # flushed at the end of the process
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider.get_tracer(NAME)


def _meter() -> Meter:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    reader = PeriodicExportingMetricReader(OTLPMetricExporter())
    return MeterProvider([reader], resource=_resource()).get_meter(NAME)
