"""What to do this week: from the tables to the first screen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from psycopg.sql import SQL, Identifier, Literal

from copilot_pipeline.config.marts import ReportSettings
from copilot_pipeline.days import day_in_text
from copilot_pipeline.postgres import Database
from copilot_pipeline.report import ReportQueries, render
from copilot_pipeline.report.actions import read_actions, read_labels, read_teams
from copilot_pipeline.report.coverage_tables import coverage_tables, mapped
from copilot_pipeline.report.formatting import labelled
from copilot_pipeline.report.groups import grouped_claims, without_complements
from copilot_pipeline.report.model import Coverage
from copilot_pipeline.report.team_messages import team_reports
from copilot_pipeline_tests.delivery.examples import DAY, KIT, add_call
from copilot_pipeline_tests.report.examples import EMPTY, claim, driver, full

MONDAY = date(2026, 3, 9)  # of the week of DAY
NOON = datetime(2026, 3, 9, 12, tzinfo=UTC)


def add(database: Database, table: str, **row: object) -> None:
    """Add a row."""
    with database.transaction() as connection:
        connection.execute(
            SQL("INSERT INTO copilot.{} ({}) VALUES ({})").format(
                Identifier(table), SQL(", ").join(map(Identifier, row)), SQL(", ").join(map(Literal, row.values()))
            )
        )


def add_forecast(database: Database, deal_id: str, amount: float, probability: float) -> None:
    """Add a deal to the present forecast."""
    add(database, "deal_forecast", deal_id=deal_id, deal_name=deal_id.title(), amount=amount, currency="EUR",
        win_probability=probability, basis="model", note="", age_days=9, calls=1, trained_on=90, made_on=DAY,
        stage="Proposal")  # fmt: skip


def add_earlier(
    database: Database, deal_id: str, amount: float, probability: float, days: int, source: str = "live"
) -> None:
    """Add a deal to a forecast that was made some days before."""
    add(database, "forecast_track_record", source=source, made_on=DAY - timedelta(days=days), deal_id=deal_id,
        amount=amount, currency="EUR", win_probability=probability, basis="model", outcome="open",
        stage="Discovery")  # fmt: skip


def test_the_forecast_is_compared_with_that_of_a_week_earlier(database: Database) -> None:
    """The moves of the deals, those that are gone included, add up to the change of the total."""
    for deal_id, amount, probability in (("kept", 1000, 0.5), ("new", 200, 0.5)):
        add_forecast(database, deal_id, amount, probability)
    add_earlier(database, "kept", 1000, 0.7, days=8)
    add_earlier(database, "lost", 400, 0.5, days=8)
    add_earlier(database, "kept", 1000, 0.1, days=3)  # too new to compare with
    add(database, "deals", deal_id="lost", name="Lost", calls=1, outcome="lost")
    actions = read_actions(database, MONDAY)
    (total,) = actions.totals
    assert (total.currency, total.expected, total.before) == ("EUR", 600, 900)
    assert total.before_on == DAY - timedelta(days=8)
    assert [(move.name, move.cause, round(move.change)) for move in actions.moves] == [
        ("Kept", "stage", -200), ("Lost", "lost", -200), ("New", "new", 100),
    ]  # fmt: skip
    assert sum(move.change for move in actions.moves) == pytest.approx(total.change)


def test_the_first_forecast_is_compared_with_a_reconstructed_one(database: Database) -> None:
    """The page says so. A forecast that was made is preferred."""
    add_forecast(database, "kept", 1000, 0.5)
    add_earlier(database, "kept", 1000, 0.4, days=7, source="reconstructed")
    actions = read_actions(database, MONDAY)
    (total,) = actions.totals
    assert (total.before, total.before_is_reconstructed) == (400, True)
    assert [(move.name, round(move.change)) for move in actions.moves] == [("Kept", 100)]
    page = render(replace(full(), actions=actions))
    made_on = day_in_text(DAY - timedelta(days=7))
    assert f"The forecast of {made_on} was computed later, as it would have been made on that day." in page
    assert "Largest changes:" not in page  # the moves of the deals are there
    add_earlier(database, "kept", 1000, 0.3, days=8)
    (total,) = read_actions(database, MONDAY).totals
    assert (total.before, total.before_is_reconstructed) == (300, False)


def test_the_first_forecast_has_nothing_to_be_compared_with(database: Database) -> None:
    """It is shown without a change."""
    add_forecast(database, "new", 200, 0.5)
    actions = read_actions(database, MONDAY)
    assert [(total.expected, total.change, total.before_on) for total in actions.totals] == [(100, None, None)]
    assert actions.moves == ()


def test_a_deal_at_risk_comes_with_the_sentence_that_raised_it(database: Database) -> None:
    """Speaker, time and link included; a quote that is not in the transcript is not shown."""
    for number, match in enumerate(("exact", "not found")):
        call, deal = f"c-{number}", f"d-{number}"
        add_call(database, call, {"risk_flag": True})
        add(database, "deal_inspection", deal_id=deal, amount=100.0 * (2 - number), currency="EUR", calls=1,
            scored_calls=1, prospects=1, risks=1, risk_flags=["risk_flag"], close_date=NOON)  # fmt: skip
        add(database, "deal_signals", deal_id=deal, kit=KIT, brick="risk_flag", value_kind="bool", latest="yes",
            latest_num=1, trend="new", answers=1, call_id=call, answered_at=NOON, review_url="https://x.example",
            reason="They hesitate.")  # fmt: skip
        with database.transaction() as connection:
            connection.execute("DELETE FROM copilot.evidence WHERE call_id = %s", (call,))
            row = connection.execute("SELECT call_date FROM copilot.calls WHERE call_id = %s", (call,)).fetchone()
        assert row is not None
        add(database, "evidence", call_id=call, kit=KIT, brick="risk_flag", position=0, call_date=row[0],
            quote="We may wait.", said="We may wait.", match=match, match_score=1, start_s=95, speaker="Kim",
            side="prospect")  # fmt: skip
    deals = ReportQueries(database, ReportSettings()).open_deals()
    found, missing = (deal.quotes[0] for deal in deals.risky)
    assert (found.quote, found.speaker, found.start_s) == ("We may wait.", "Kim", 95)
    assert (missing.quote, missing.reason) == (None, "They hesitate.")
    assert deals.risky[0].unquoted_risks == []
    assert [(money.currency, money.amount) for money in deals.at_risk] == [("EUR", 300)]
    page = render(full(open_deals=deals))
    for expected in ("We may wait.", "at 1:35", "9 Mar 2026"):
        assert expected in page, expected
    assert "risk flag" not in page


def test_a_topic_counts_once_a_call_of_the_calls_rep(database: Database) -> None:
    """By rep and for the team, the most frequent first; not for others who spoke on the call."""
    for number, topics in enumerate((("Pricing", "Pricing", "Security"), ("Pricing",), ())):
        add_call(database, f"c-{number}", {})
        for rep in ("u1", "u2"):
            add(database, "rep_calls", rep_id=rep, call_id=f"c-{number}", call_date=DAY, week=MONDAY, started_at=NOON,
                rep_name=rep.upper(), manager_id="m1", is_call_rep=rep == "u1", own_speakers=1, utterances=9, words=90,
                talk_share=0.5)  # fmt: skip
        for position, topic in enumerate(topics):
            add(database, "topic_mentions", call_id=f"c-{number}", call_date=DAY, position=position, topic=topic,
                started_at=NOON, origin="phrase")  # fmt: skip
    (team,) = read_teams(database, MONDAY, MONDAY)
    expected = [("Pricing", 2), ("Security", 1)]
    assert [(one.topic, one.calls) for one in team.total.topics] == expected
    assert [[(one.topic, one.calls) for one in rep.topics] for rep in team.reps] == [expected, []]


def test_a_managers_page_has_the_own_team_only(database: Database) -> None:
    """Open deals, coverage and calls of others are not in it, and neither is the company's forecast."""
    for number, rep in enumerate(("u1", "u2")):
        call, deal = f"c-{number}", f"d-{number}"
        add(database, "users", user_id=f"m-{rep}", name=f"Boss of {rep}", email=f"m-{rep}@acme.example")
        add_call(database, call, {}, deal_id=deal)
        add(database, "rep_calls", rep_id=rep, call_id=call, call_date=DAY, week=MONDAY, started_at=NOON,
            rep_name=f"Rep {rep}", manager_id=f"m-{rep}", is_call_rep=True, own_speakers=1, utterances=9, words=90,
            talk_share=0.5)  # fmt: skip
        with database.transaction() as connection:
            connection.execute("UPDATE copilot.calls SET rep_user_id = %s WHERE call_id = %s", (rep, call))
        add(database, "deal_inspection", deal_id=deal, deal_name=f"Deal of {rep}", calls=1, scored_calls=1, prospects=1,
            risks=1, risk_flags=["no call yet"], owner_name=f"Rep {rep}", last_call_id=call)  # fmt: skip
        add(database, "meddicc_coverage", call_id=call, element="champion", call_date=DAY, week=MONDAY, started_at=NOON,
            rep_id=rep, rep_name=f"Rep {rep}", manager_id=f"m-{rep}", kit=KIT, brick="champion", is_covered=True,
            is_answered=True)  # fmt: skip
    queries = ReportQueries(database, ReportSettings())
    report = queries.report(DAY)
    assert report.open_deals.with_risks == 2
    pages = {address: (file, render(page)) for address, file, page in team_reports(report, queries)}
    assert sorted(pages) == ["m-u1@acme.example", "m-u2@acme.example"]
    assert len({file for file, _ in pages.values()}) == 2
    page = pages["m-u1@acme.example"][1]
    assert "team of Boss of u1" in page
    assert "Deal of u1" in page
    assert "1 of 1 open deal" in page
    for other in ("u2", 'id="forecast"', 'id="data"'):
        assert other not in page, other


def test_the_coverage_of_many_reps_is_mapped_by_team() -> None:
    """Each team has a table of its reps, the least covered first; sums are those of the reps."""
    reps = [
        Coverage(f"Rep {n}", element, 10, n % 11, team=f"Team {n % 4}")
        for n in range(200)
        for element in ("champion", "metrics")
    ]
    assert mapped(reps[:40]) == reps[:40]
    teams = mapped(reps)
    assert {one.group for one in teams} == {f"Team {n}" for n in range(4)}
    assert sum(one.covered for one in teams) == sum(one.covered for one in reps)
    tables = coverage_tables(reps)
    assert [len(table.rows) for table in tables] == [50] * 4
    shares = [row.elements["champion"].share for row in tables[0].rows]
    assert shares == sorted(shares)
    page = render(replace(EMPTY, coverage_by_rep=tuple(reps)))
    assert all(f"Rep {n}<" in page for n in range(200))


def test_bricks_without_a_label_are_shown_as_words(database: Database) -> None:
    """Only before the colon: what follows is a sentence."""
    assert read_labels(database) == {}
    assert labelled("not budget_ok and depth > 65: a_b", {"depth": "Depth of it"}) == (
        "not budget ok and Depth of it > 65: a_b"
    )
    labels = {"risk": "Risk", "risk_flag": "A risk was named", "champion": "Champion"}
    assert (
        labelled("risk flag: yes on 1 of 2 calls: +9 points", labels)
        == "A risk was named: yes on 1 of 2 calls: +9 points"
    )
    assert labelled("risk flag and champion covered: a", labels) == "A risk was named and Champion covered: a"


def test_equal_sentences_and_complements_are_shown_once() -> None:
    """The same words on three calls are one entry; a condition and its opposite are one driver."""
    claims = [claim(), claim("It  ships in march."), claim("Other."), claim(), claim(None, statement="yes")]
    assert [len(group.claims) for group in grouped_claims(claims)] == [3, 1, 1]
    conditions = ["champion", "not champion", "depth > 65", "depth <= 65", "a and b", "not a"]
    kept = without_complements([driver(one) for one in conditions])
    assert [one.condition for one in kept] == ["champion", "depth > 65", "a and b", "not a"]
    kept = without_complements([driver(one) for one in ("not champion", "depth > 65", "champion")])
    assert [one.condition for one in kept] == ["champion", "depth > 65"]
    kept = without_complements([replace(driver("not a"), is_confirmed=True), replace(driver("a"), is_confirmed=False)])
    assert [one.condition for one in kept] == ["not a"]


def test_names_account_and_deal_beside_each_call() -> None:
    """A deal that is named after its account needs no second name."""
    report = full()
    low = replace(report.low_coverage_calls[0], account="Acme", deal="Acme renewal")
    page = render(replace(report, low_coverage_calls=(low,), claims=(claim(account="Initech", deal="Phase 2"),)))
    assert "(<bdi>Acme renewal</bdi>)" in page
    assert "(<bdi>Initech</bdi>, <bdi>Phase 2</bdi>)" in page
