"""Every metric: its name, type, labels and meaning. A label value is never a person, a secret or a text of a call."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

_SHORT = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_LONG = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0)


class Kind(StrEnum):
    """How a metric behaves."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric. `buckets` are the upper bounds of a histogram, without infinity."""

    name: str
    kind: Kind
    description: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def sum_name(self) -> str:
        """The name under which the sum of a histogram is stored and exported."""
        return f"{self.name}_sum"

    @property
    def exported_names(self) -> tuple[str, ...]:
        """The names of its samples in the text format of Prometheus."""
        if self.kind is Kind.HISTOGRAM:
            return (f"{self.name}_bucket", f"{self.name}_count", self.sum_name)
        return (self.name,)


def _counter(name: str, description: str, *labels: str) -> Metric:
    return Metric(f"copilot_pipeline_{name}_total", Kind.COUNTER, description, labels)


def _gauge(name: str, description: str, *labels: str) -> Metric:
    return Metric(f"copilot_pipeline_{name}", Kind.GAUGE, description, labels)


def _histogram(name: str, description: str, buckets: tuple[float, ...], *labels: str) -> Metric:
    return Metric(f"copilot_pipeline_{name}", Kind.HISTOGRAM, description, labels, buckets)


# --- recorded by processes, added up in PostgreSQL ---------------------------------------------------------------

REQUESTS = _counter(
    "http_requests",
    "HTTP requests to the APIs, each attempt, by service, source of the request and status (or no_response).",
    "service", "source", "status",
)  # fmt: skip
REQUEST_SECONDS = _histogram(
    "http_request_duration_seconds", "Duration of these requests, without the wait before them.", _SHORT, "service"
)
LIMITER_WAIT_SECONDS = _histogram(
    "rate_limiter_wait_seconds", "Wait of each request for the shared rate limiter, by source.", _SHORT, "source"
)
STEP_SECONDS = _histogram(
    "step_duration_seconds", "Duration of the steps of runs, by step and result (succeeded, failed).", _LONG,
    "step", "result",
)  # fmt: skip
WEBHOOKS = _counter("webhooks", "Webhooks by endpoint and answer of the receiver.", "endpoint", "answer")
LAKE_BYTES = _gauge("lake_bytes", "Size of the Parquet files by table, as last measured.", "table")
LAKE_FILES = _gauge("lake_files", "Number of the Parquet files by table, as last measured.", "table")
LAKE_MEASURED = _gauge("lake_measured_timestamp_seconds", "Time at which the files of the lake were last measured.")
RECORDED = (
    REQUESTS, REQUEST_SECONDS, LIMITER_WAIT_SECONDS, STEP_SECONDS, WEBHOOKS, LAKE_BYTES, LAKE_FILES, LAKE_MEASURED,
)  # fmt: skip

# --- read from the state store (telemetry/sql/state.sql, totals.sql, dagster.sql) ---------------------------------

QUOTA_USED = _gauge("quota_used_requests", "Requests of this week, by source. Counted before each is sent.", "source")
QUOTA_LIMIT = _gauge("quota_limit_requests", "Requests that the weekly quota allows.")
QUOTA_LEFT = _gauge(
    "quota_left_requests",
    "Requests that are left this week: for `all`, and for `backfills` without the reserve.",
    "for",
)
QUOTA_RESET = _gauge("quota_reset_timestamp_seconds", "Time at which the weekly quota resets.")
LIMITER_CLOSED = _gauge("rate_limiter_closed_seconds", "Seconds until the rate limiter opens; 0 while it is open.")
CALLS = _gauge("calls", "Calls by state. `stored`: in the raw layer; all others: what is left to do.", "state")
CALLS_AGE = _gauge("calls_oldest_age_seconds", "Age of the oldest call in a state; 0 if there is none.", "state")
RUNS = _gauge("semarize_runs", "Semarize runs by kit and state: queued, succeeded, failed, and how many are paid.",
              "kit", "state")  # fmt: skip
RUNS_AGE = _gauge("semarize_runs_oldest_age_seconds", "Age of the oldest queued run of a kit.", "kit")
OUTBOX = _gauge("outbox_deliveries", "Deliveries by sink and state.", "sink", "state")
OUTBOX_AGE = _gauge(
    "outbox_oldest_age_seconds", "Age of the oldest delivery of a sink that is queued, being sent or uncertain.",
    "sink", "state",
)  # fmt: skip
SINK_FAILING = _gauge(
    "sink_failing_seconds", "For how long a sink has failed; 0 if its last attempt succeeded.", "sink"
)
INBOX = _gauge("inbox_items", "Received ids that no run has processed, by kind (call, run).", "kind")
INBOX_AGE = _gauge("inbox_oldest_age_seconds", "Age of the oldest of them; 0 if there is none.", "kind")
INCIDENTS = _gauge("open_incidents", "Incidents that are open.")
POLLED_UNTIL = _gauge("polled_until_timestamp_seconds", "Until when changes of calls have been polled.")
QUARANTINE = _gauge("quarantined_bodies", "Rows of copilot_ops.quarantine.")
DATABASE_BYTES = _gauge("database_bytes", "Size of the tables and indexes of a schema of the database.", "schema")
SCHEDULE_SUCCESS = _gauge(
    "schedule_last_success_timestamp_seconds", "End of the last successful run of a schedule; 0 if there is none.",
    "schedule",
)  # fmt: skip
DAEMON_HEARTBEAT = _gauge(
    "dagster_daemon_heartbeat_timestamp_seconds", "Last heartbeat of the Dagster daemon, by its part.", "daemon"
)
DAGSTER_RUNS = _gauge("dagster_runs", "Runs of Dagster that have not ended, by job and status.", "job", "status")
DAGSTER_FAILED = _gauge(
    "dagster_failed_runs_last_day", "Runs of Dagster that failed in the last 24 hours and are not started again.", "job"
)
FROM_STATE = (
    QUOTA_USED, QUOTA_LIMIT, QUOTA_LEFT, QUOTA_RESET, LIMITER_CLOSED, CALLS, CALLS_AGE, RUNS, RUNS_AGE, OUTBOX,
    OUTBOX_AGE, SINK_FAILING, INBOX, INBOX_AGE, INCIDENTS, POLLED_UNTIL, QUARANTINE, DATABASE_BYTES, SCHEDULE_SUCCESS,
    DAEMON_HEARTBEAT, DAGSTER_RUNS, DAGSTER_FAILED,
)  # fmt: skip

METRICS = (*RECORDED, *FROM_STATE)
