"""The tables of win/loss from the tables of the warehouse, and what the report reads of them."""

from __future__ import annotations

from pathlib import Path

from psycopg.rows import dict_row

from copilot_pipeline.config.marts import MartSettings, ReportSettings, WinLossSettings
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.marts.build import MartBuilder
from copilot_pipeline.postgres import Database
from copilot_pipeline.report.queries import ReportQueries

# 240 deals, one every two days. Two thirds of those with a champion are won, one in eight of the others.
FILL = """
INSERT INTO copilot.accounts (account_id, custom_fields, deals, calls)
SELECT 'a-' || number, jsonb_build_array(jsonb_build_object('key', 'Segment', 'value', 'segment ' || number)), 1, 1
FROM generate_series(0, 2) AS number;
INSERT INTO copilot.deals (deal_id, account_id, amount, stage, stage_history, calls, outcome)
SELECT 'd-' || lpad(number::text, 3, '0'), 'a-' || number % 3, number * 37 % 1000, stage,
  jsonb_build_array(jsonb_build_object('stage', stage, 'date_changed', '2025-01-01'::date + 2 * number)), 1,
  lower(ending)
FROM generate_series(1, 240) AS number
  CROSS JOIN LATERAL (
    SELECT CASE WHEN number % 2 = 0 AND number % 3 > 0 OR number % 8 = 1 THEN 'Won' ELSE 'Lost' END
  ) AS one(ending)
  CROSS JOIN LATERAL (SELECT 'Closed ' || ending) AS other(stage);
INSERT INTO copilot.calls (
  call_id, call_date, title, started_at, status, review_url, has_crm_link, has_transcript, deal_id, rep_user_id
)
SELECT 'c-' || deal_id, day, 'Call', day, 'ready', 'u', true, true, deal_id, 'u-' || number % 5
FROM copilot.deals CROSS JOIN LATERAL (SELECT substr(deal_id, 3)::int) AS one(number)
  CROSS JOIN LATERAL (SELECT '2025-01-01'::date + 2 * number - 10) AS other(day);
INSERT INTO copilot.semarize_runs (call_id, kit, call_date, run_id, status, kit_reference, transcript_hash, bricks)
SELECT call_id, 'meddicc', call_date, call_id, 'succeeded', 'KIT', 'hash', 2 FROM copilot.calls;
INSERT INTO copilot.semarize_scores (call_id, kit, brick, call_date, value_kind, value_bool, transcript_hash)
SELECT call_id, 'meddicc', brick, call_date, CASE WHEN value IS NULL THEN 'null' ELSE 'bool' END, value, 'hash'
FROM copilot.calls CROSS JOIN LATERAL (SELECT substr(deal_id, 3)::int) AS one(number)
  CROSS JOIN LATERAL (VALUES ('champion', CASE WHEN number % 2 = 0 THEN true END), ('weather', number % 7 < 3))
    AS scores(brick, value);
"""


def test_drivers_of_the_warehouse(database: Database, home: Path) -> None:
    """The champion is answered in won deals mostly, so its coverage is the only confirmed driver, with its opposite.

    An unanswered champion is unknown to the brick's own conditions, and not covered. The report and the view have the
    same driver.
    """
    with database.connection() as connection:
        connection.execute(FILL)
    settings = MartSettings(win_loss=WinLossSettings(max_conditions=1))
    counts, result = MartBuilder(Lake(str(home)), database, settings).build_win_loss()
    with database.connection() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        rows = cursor.execute("SELECT * FROM copilot.win_loss_drivers ORDER BY rank").fetchall()
        view = cursor.execute("SELECT condition FROM copilot.win_drivers").fetchall()
        (conclusion,) = cursor.execute("SELECT * FROM copilot.win_loss_conclusion").fetchall()
    assert counts["win_loss_drivers"] == len(rows)
    confirmed = {row["condition"]: row for row in rows if row["is_confirmed"]}
    assert confirmed.keys() == {"champion covered", "champion never covered"}
    assert confirmed["champion never covered"]["direction"] == "losses"
    row = confirmed["champion covered"]
    assert (row["n"], row["support"], row["won"]) == (240, 120, 80)
    assert row["confirmed_lift_low"] < row["confirmed_lift"] < row["confirmed_lift_high"]
    assert [one["condition"] for one in view] == ["champion covered"]
    assert conclusion["conclusion"].startswith(row["sentence"])
    assert conclusion["confirmed"] == 2
    assert conclusion["adjusted_for"] == ["segment", "amount", "rep", "close_date"]
    assert result.confirmed == 2
    drivers = ReportQueries(database, ReportSettings()).drivers()
    shown = next(one for one in drivers if one.condition == "champion covered")
    assert (shown.is_confirmed, shown.won) == (True, row["confirmed_won"])
