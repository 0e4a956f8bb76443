"""Counters that survive their process, on a real database."""

from __future__ import annotations

import threading

from prometheus_client.parser import text_string_to_metric_families

from copilot_pipeline.postgres import Database
from copilot_pipeline.telemetry.exposition import render
from copilot_pipeline.telemetry.metrics import LIMITER_WAIT_SECONDS, REQUESTS
from copilot_pipeline.telemetry.recorder import MetricRecorder, recorder_of
from copilot_pipeline.telemetry.state import QuotaSettings, StateReader

LABELS = {"service": "clari_copilot", "source": "poll", "status": "200"}
QUOTA = QuotaSettings(requests_per_week=1000, reserve=0.1)


def exported(database: Database) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What a scrape returns, by name and labels."""
    with database.connection() as connection:
        text = render(StateReader(QUOTA).samples(connection)).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_counts_of_several_processes_add_up(database: Database) -> None:
    """Each recorder, as each process has one, adds its increments; nothing is lost to concurrent updates."""
    recorders = [MetricRecorder(database) for _ in range(4)]

    def record(recorder: MetricRecorder) -> None:
        for _ in range(50):
            recorder.count(REQUESTS, 1, **LABELS)
            recorder.count(REQUESTS, 1, **{**LABELS, "status": "429"})
            recorder.flush()

    threads = [threading.Thread(target=record, args=(recorder,)) for recorder in recorders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for recorder in recorders:
        recorder.close()
    name = "copilot_pipeline_http_requests_total"
    values = exported(database)
    assert values[name, tuple(sorted(LABELS.items()))] == 200
    assert values[name, tuple(sorted({**LABELS, "status": "429"}.items()))] == 200


def test_histograms_are_cumulative(database: Database) -> None:
    """Buckets count all values up to their bound, and the sum and the count are those of the values."""
    recorder = recorder_of(database)
    for seconds in (0.005, 0.3, 0.3, 1000.0):
        recorder.observe(LIMITER_WAIT_SECONDS, seconds, source="poll")
    recorder.flush()
    values, name = exported(database), LIMITER_WAIT_SECONDS.name
    for bound, count in {"0.01": 1, "0.5": 3, "+Inf": 4}.items():
        assert values[f"{name}_bucket", (("le", bound), ("source", "poll"))] == count
    assert values[f"{name}_count", (("source", "poll"),)] == 4
    assert values[f"{name}_sum", (("source", "poll"),)] == 1000.605


def test_closing_the_database_writes_what_was_counted(database_address: str, database: Database) -> None:
    """A command that ends within a second loses no count."""
    short = Database(database_address)
    recorder_of(short).count(REQUESTS, 7, **LABELS)
    short.close()
    assert exported(database)["copilot_pipeline_http_requests_total", tuple(sorted(LABELS.items()))] == 7


def test_counts_are_kept_while_the_database_is_unavailable(database: Database) -> None:
    """A failed write is not lost, and raises nothing into the work that is measured."""
    recorder = MetricRecorder(database)
    with database.connection() as connection:
        connection.execute("ALTER TABLE copilot_ops.metric_values RENAME TO hidden")
        recorder.count(REQUESTS, 3, **LABELS)
        recorder.flush()
        connection.execute("ALTER TABLE copilot_ops.hidden RENAME TO metric_values")
    recorder.close()
    assert exported(database)["copilot_pipeline_http_requests_total", tuple(sorted(LABELS.items()))] == 3
