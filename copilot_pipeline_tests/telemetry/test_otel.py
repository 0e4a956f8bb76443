"""OpenTelemetry against a receiver of OTLP over HTTP on loopback, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

pytestmark = pytest.mark.e2e

PROGRAM = """
from copilot_pipeline.telemetry import otel
from copilot_pipeline.telemetry.metrics import REQUESTS, STEP_SECONDS
from contextlib import suppress
with suppress(ValueError), otel.span("step calls", {"step": "calls"}):
    with otel.span("GET clari_copilot") as span:
        span.set("http.response.status_code", 200)
        otel.count(REQUESTS, 2, {"service": "clari_copilot", "source": "poll", "status": "200"})
    otel.observe(STEP_SECONDS, 1.5, {"step": "calls", "result": "failed"})
    raise ValueError("spoken words")
"""


def run(**variables: str) -> tuple[dict[str, list[bytes]], str]:
    """Run the program; return what was posted to the receiver by path, and what it printed."""
    received: dict[str, list[bytes]] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.setdefault(self.path, []).append(body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        environment |= {name: value.replace("ENDPOINT", endpoint) for name, value in variables.items()}
        command = [sys.executable, "-c", PROGRAM]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
        server.shutdown()
    return received, done.stdout + done.stderr


def test_exports_spans_and_metrics() -> None:
    """Steps contain their requests; counters and histograms have the names and labels of the metrics. A failed step has
    the type of its error and not its text."""
    received, _ = run(OTEL_EXPORTER_OTLP_ENDPOINT="ENDPOINT", OTEL_EXPORTER_OTLP_COMPRESSION="none")
    traces = [ExportTraceServiceRequest.FromString(body) for body in received["/v1/traces"]]
    spans = {
        span.name: span
        for one in traces for resource in one.resource_spans for scope in resource.scope_spans for span in scope.spans
    }  # fmt: skip
    assert spans["GET clari_copilot"].parent_span_id == spans["step calls"].span_id
    failed = {attribute.key: attribute.value.string_value for attribute in spans["step calls"].attributes}
    assert failed == {"step": "calls", "error.type": "ValueError"}
    assert b"spoken words" not in b"".join(received["/v1/traces"])
    service = {
        attribute.key: attribute.value.string_value for attribute in traces[0].resource_spans[0].resource.attributes
    }
    assert service["service.name"] == "copilot-pipeline"
    exports = [ExportMetricsServiceRequest.FromString(body) for body in received["/v1/metrics"]]
    metrics = {
        metric.name: metric
        for one in exports for resource in one.resource_metrics for scope in resource.scope_metrics
        for metric in scope.metrics
    }  # fmt: skip
    assert metrics["copilot_pipeline_http_requests"].sum.data_points[0].as_int == 2
    histogram = metrics["copilot_pipeline_step_duration_seconds"].histogram.data_points[0]
    assert (histogram.count, histogram.sum, list(histogram.explicit_bounds)[:3]) == (1, 1.5, [0.5, 1.0, 2.5])


@pytest.mark.parametrize(
    ("variables", "paths", "printed"),
    [
        ({}, set(), ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "ENDPOINT", "OTEL_SDK_DISABLED": "true"}, set(), ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "ENDPOINT", "OTEL_METRICS_EXPORTER": "none"}, {"/v1/traces"}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, set(), "http/protobuf"),
    ],
    ids=["off", "disabled", "traces only", "another protocol"],
)
def test_obeys_the_standard_variables(variables: dict[str, str], paths: set[str], printed: str) -> None:
    """Nothing is sent without an endpoint, and what is switched off is not sent."""
    received, output = run(**variables)
    assert set(received) == paths
    assert printed in output
