"""A kit that Semarize does not know: one request, and the scores that are there stay."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

import pytest

from copilot_pipeline.clients.http import RetryPolicy
from copilot_pipeline.clients.semarize import Kit, SemarizeClient, make_client
from copilot_pipeline.defs.problems import grouped
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import SEMARIZE_SCORES, TRANSCRIPTS
from copilot_pipeline.postgres import Database
from copilot_pipeline.score.day_progress import ScoredPartition
from copilot_pipeline.score.run_requests import SemarizeRunSettings
from copilot_pipeline.score.runs import SemarizeRunner
from copilot_pipeline.score.score_tables import ScoreTables
from copilot_pipeline.state import AdvisoryLocks, CallStore, SemarizeRunStore
from copilot_pipeline.state.locks import SCORING
from copilot_pipeline_tests.http_servers import ReceivedRequest, Reply, reply, serving
from copilot_pipeline_tests.load.warehouse.rows import arrow
from copilot_pipeline_tests.score.test_runs import DAY, KITS, Server, lake

__all__ = ["lake"]
WRONG = replace(KITS[0], code="WRONG1", place="pipeline.yaml, line 3")
NEXT_STEP = "publish WRONG1 in Semarize, or fix `kits.deal.code` in pipeline.yaml, line 3"


def _kit_of(asked: ReceivedRequest) -> str | None:
    return str(json.loads(asked.body)["kit_code"]) if asked.method == "POST" else None


def refuse(*codes: str) -> Server:
    """Semarize without these kits."""
    return Server(lambda asked: reply({"error": "kit_not_found"}, 404) if _kit_of(asked) in codes else None)


def score(
    server: Server, database: Database, lake: Lake, kits: tuple[Kit, ...], days: tuple[date, ...] = (DAY,)
) -> tuple[list[ScoredPartition], list[str | None]]:
    """Score the days. Return the reports and the kit codes of the requests that create runs."""
    with serving(server) as service, AdvisoryLocks(database.url, SCORING) as locks:
        http = make_client(service.url, "smz_test_0123456789", policy=RetryPolicy(attempts=1))
        settings = SemarizeRunSettings()
        runner = SemarizeRunner(SemarizeClient(http), SemarizeRunStore(database), lake, kits, settings, locks)
        reports = list(runner.run(days))
        http.close()
        return reports, [_kit_of(asked) for asked in service.requests if asked.method == "POST"]


def rows(database: Database, lake: Lake) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The scores of both stores."""
    with database.connection() as connection:
        stored = connection.execute("SELECT call_id, kit FROM copilot.semarize_scores").fetchall()
    in_lake = [row for batch in lake.batches(SEMARIZE_SCORES, DAY) for row in batch.to_pylist()]
    return sorted((str(a), str(b)) for a, b in stored), sorted((row["call_id"], row["kit"]) for row in in_lake)


def load(database: Database, lake: Lake, kits: tuple[Kit, ...]) -> None:
    """Build the score tables."""
    calls = CallStore(database, ZoneInfo("UTC"))
    (loaded,) = ScoreTables(lake, database, SemarizeRunStore(database), calls, kits).build([DAY])
    assert loaded.problem is None


def test_an_unknown_kit_is_requested_once(database: Database, lake: Lake) -> None:
    """One request for the unknown kit, one line with the number of calls; the other kit is scored."""
    (report,), requested = score(refuse("WRONG1"), database, lake, (WRONG, KITS[1]))
    assert report.problems == [f"kit deal: kit_not_found (4 calls): {NEXT_STEP}"]
    assert requested.count("WRONG1") == 1
    assert requested.count("C0AC4123") == 4
    with database.connection() as connection:
        query = "SELECT status, count(*), count(next_attempt_at) FROM copilot_ops.semarize_runs GROUP BY 1 ORDER BY 1"
        assert connection.execute(query).fetchall() == [("pending", 4, 4), ("succeeded", 4, 0)]


def test_an_unknown_kit_is_requested_once_for_all_days(database: Database, lake: Lake) -> None:
    """A second day fails without a request."""
    other = date(2026, 11, 4)
    with lake.writer(TRANSCRIPTS, other) as writer:
        for batch in lake.batches(TRANSCRIPTS, DAY):
            changed = [{**row, "call_id": f"other-{row['call_id']}", "call_date": other} for row in batch.to_pylist()]
            writer.append(arrow(TRANSCRIPTS, changed))
    reports, requested = score(refuse("WRONG1"), database, lake, (WRONG,), (DAY, other))
    assert [report.problems for report in reports] == [[f"kit deal: kit_not_found (4 calls): {NEXT_STEP}"]] * 2
    assert requested == ["WRONG1"]


def test_scores_of_the_former_code_stay_until_the_new_one_has_a_result(database: Database, lake: Lake) -> None:
    """A wrong code changes no row of either store; a right one replaces them."""
    score(refuse(), database, lake, KITS)
    load(database, lake, KITS)
    before = rows(database, lake)
    assert len(before[0]) == 8
    assert before[0] == before[1]

    score(refuse("WRONG1"), database, lake, (WRONG, KITS[1]))
    load(database, lake, (WRONG, KITS[1]))
    assert rows(database, lake) == before

    right = (Kit("deal", code="B2"), KITS[1])
    score(refuse(), database, lake, right)
    load(database, lake, right)
    assert rows(database, lake) == before
    with database.connection() as connection:
        query = "SELECT DISTINCT kit_reference FROM copilot.semarize_runs ORDER BY 1"
        assert [row[0] for row in connection.execute(query)] == ["B2", "C0AC4123"]


def test_a_result_of_another_speech_does_not_stay(database: Database, lake: Lake) -> None:
    """Scores of words that were replaced are not shown for the new ones."""
    score(refuse(), database, lake, KITS)
    with database.connection() as connection:
        connection.execute("UPDATE copilot_ops.semarize_runs SET transcript_hash = 'another', speech_hash = 'another'")
    load(database, lake, (WRONG, KITS[1]))
    assert rows(database, lake) == ([], [])


@pytest.mark.parametrize("failures", [1, 3])
def test_a_temporary_failure_says_nothing_about_the_kit(database: Database, lake: Lake, failures: int) -> None:
    """After failures of the first run of a kit, another one is tried, and all are scored."""
    left = [failures]

    def fail(asked: ReceivedRequest) -> Reply | None:
        if asked.method == "POST" and left[0]:
            left[0] -= 1
            return reply({"error": "run_request_failed"}, 500)
        return None

    (report,), _ = score(Server(first=fail), database, lake, KITS)
    assert report.problems == []


def test_the_incremental_run_requests_an_unknown_kit_once(database: Database, lake: Lake) -> None:
    """Days that are added later, as webhooks are received, fail without a request."""
    server = refuse("WRONG1")
    with serving(server) as service, AdvisoryLocks(database.url, SCORING) as locks:
        http = make_client(service.url, "smz_test_0123456789", policy=RetryPolicy(attempts=1))
        store, settings = SemarizeRunStore(database), SemarizeRunSettings()
        problems: list[str] = []
        with SemarizeRunner(SemarizeClient(http), store, lake, (WRONG,), settings, locks) as runner:
            for call_ids in ({"c-0", "c-1"}, {"c-2"}):
                runner.add(DAY, call_ids)
                while not runner.is_idle:
                    problems += [problem for report in runner.poll(0.2) for problem in report.problems]
                problems += [problem for report in runner.poll(0.0) for problem in report.problems]
        http.close()
        requested = [asked for asked in service.requests if asked.method == "POST"]
    assert len(requested) == 1
    assert grouped(problems) == [f"kit deal: kit_not_found (3 calls): {NEXT_STEP}"]


def test_a_run_id_that_is_too_long_for_an_index_spoils_its_own_run(database: Database, lake: Lake) -> None:
    """The response is quarantined; the other runs are scored."""

    def first_is_long(asked: ReceivedRequest) -> Reply | None:
        is_first = asked.method == "POST" and b"So it begins. 0" in asked.body
        return reply({"run_id": "".join(map(str, range(3_000))), "status": "queued"}, 202) if is_first else None

    (report,), _ = score(Server(first=first_is_long), database, lake, KITS)
    assert len(report.problems) == 2
    assert all("longer than 1,024 bytes" in problem for problem in report.problems)
    with database.connection() as connection:
        query = "SELECT status, count(*) FROM copilot_ops.semarize_runs GROUP BY 1 ORDER BY 1"
        assert connection.execute(query).fetchall() == [("pending", 2), ("succeeded", 6)]
