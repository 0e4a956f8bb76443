"""Deals: what the calls say of them for nothing, and the CRM mirror's record at one request a deal."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from copilot_pipeline.analysis.model import Outcome
from copilot_pipeline.analysis.outcomes import outcome_of
from copilot_pipeline.clari import ClariClient
from copilot_pipeline.clari.reference import parse_deal
from copilot_pipeline.database import Database
from copilot_pipeline.errors import BudgetSpent, CredentialsRefused, NotFound, PipelineError, UnreadableBody
from copilot_pipeline.lake import Lake
from copilot_pipeline.ledger.bodies import pack, unpack
from copilot_pipeline.records import Deal
from copilot_pipeline.settings.answers import OutcomeSettings
from copilot_pipeline.steps.progress import Progress, Silence
from copilot_pipeline.steps.snapshots import replace_snapshot
from copilot_pipeline.tables import DEALS

STEP = "deals"
# A closed deal does not change any more; an open one is read again a day later.
READ_AGAIN = "20 hours"

_FROM_CALLS = """
SELECT deal_id, count(*), min(started_at), max(started_at),
  (array_agg(deal_name ORDER BY started_at DESC) FILTER (WHERE deal_name IS NOT NULL))[1],
  (array_agg(crm_system ORDER BY started_at DESC) FILTER (WHERE crm_system IS NOT NULL))[1],
  (array_agg(account_id ORDER BY started_at DESC) FILTER (WHERE account_id IS NOT NULL))[1],
  (array_agg(account_name ORDER BY started_at DESC) FILTER (WHERE account_name IS NOT NULL))[1],
  (array_agg(deal_value ORDER BY started_at DESC) FILTER (WHERE deal_value IS NOT NULL))[1],
  (array_agg(deal_value_raw ORDER BY started_at DESC) FILTER (WHERE deal_value_raw IS NOT NULL))[1],
  (array_agg(coalesce(deal_stage_live, deal_stage_before_call) ORDER BY started_at DESC)
     FILTER (WHERE coalesce(deal_stage_live, deal_stage_before_call) IS NOT NULL))[1],
  (array_agg(deal_close_date ORDER BY started_at DESC) FILTER (WHERE deal_close_date IS NOT NULL))[1]
FROM copilot.calls WHERE deal_id IS NOT NULL GROUP BY deal_id ORDER BY deal_id
"""


@dataclass(slots=True)
class DealsRead:
    """What reading deals came to."""

    read: int = 0
    missing: int = 0
    problems: list[str] = field(default_factory=list)


class Deals:
    """Reads deals and makes the table."""

    def __init__(
        self, lake: Lake, database: Database, outcomes: OutcomeSettings, *, progress: Progress | None = None
    ) -> None:
        self._lake = lake
        self._database = database
        self._outcomes = outcomes
        self._progress = progress or Silence()

    def read(self, client: ClariClient) -> DealsRead:
        """One request for each linked deal that is new, or was open when it was last read."""
        report = DealsRead()
        wanted = self._wanted()
        self._progress.expect(STEP, len(wanted))
        for deal_id in wanted:
            try:
                body, closed = self._read_one(client, deal_id)
                self._keep(deal_id, body, is_closed=closed)
                report.read += 1
            except NotFound:
                self._keep(deal_id, None, is_closed=False)
                report.missing += 1
            except (CredentialsRefused, BudgetSpent):
                raise
            except PipelineError as error:
                report.problems.append(f"deal {deal_id}: {error}")
            self._progress.advance(STEP)
        return report

    def _read_one(self, client: ClariClient, deal_id: str) -> tuple[bytes, bool]:
        deal, body = client.get_deal(deal_id)
        return body, outcome_of(deal.stage, self._outcomes) is not Outcome.OPEN

    def _wanted(self) -> list[str]:
        with self._database.connection() as connection:
            rows = connection.execute(
                f"""SELECT DISTINCT calls.deal_id FROM copilot.calls AS calls
                LEFT JOIN copilot_ops.deals AS deals USING (deal_id)
                WHERE calls.deal_id IS NOT NULL
                  AND (deals.deal_id IS NULL
                    OR (NOT deals.is_closed AND deals.read_at < now() - interval '{READ_AGAIN}'))
                ORDER BY 1"""
            ).fetchall()
        return [str(row[0]) for row in rows]

    def _keep(self, deal_id: str, body: bytes | None, *, is_closed: bool) -> None:
        with self._database.connection() as connection:
            connection.execute(
                """INSERT INTO copilot_ops.deals AS known (deal_id, read_at, is_missing, is_closed, body)
                VALUES (%s, now(), %s, %s, %s) ON CONFLICT (deal_id) DO UPDATE SET read_at = excluded.read_at,
                  is_missing = excluded.is_missing, is_closed = excluded.is_closed,
                  body = coalesce(excluded.body, known.body)""",
                (deal_id, body is None, is_closed, pack(body) if body is not None else None),
            )

    def tabulate(self) -> int:
        """Replaces `deals`. Costs no request. Returns the rows."""
        with self._database.connection() as connection:
            from_calls = connection.execute(_FROM_CALLS).fetchall()
            mirrored = {
                row[0]: (row[1], unpack(row[2]))
                for row in connection.execute(
                    "SELECT deal_id, read_at, body FROM copilot_ops.deals WHERE body IS NOT NULL"
                ).fetchall()
            }
        rows = [_row(row, *_mirror(row[0], mirrored.get(row[0])), self._outcomes) for row in from_calls]
        return replace_snapshot(self._lake, self._database, DEALS, rows)


def _mirror(deal_id: str, kept: tuple[datetime, bytes] | None) -> tuple[datetime | None, Deal | None]:
    if kept is None:
        return None, None
    try:
        return kept[0], parse_deal(kept[1], deal_id)
    except UnreadableBody:
        return kept[0], None


def _row(
    from_calls: tuple[Any, ...], read_at: datetime | None, deal: Deal | None, outcomes: OutcomeSettings
) -> tuple[object, ...]:
    deal_id, calls, first, last, name, system, account_id, account_name, value, value_raw, stage, close = from_calls
    newest_stage = (deal.stage if deal else None) or stage
    return (
        deal_id,
        (deal.name if deal else None) or name,
        system,
        account_id or (deal.account_crm_id if deal else None),
        account_name,
        deal.amount if deal and deal.amount is not None else value,
        (deal.amount_raw if deal else None) or value_raw,
        newest_stage,
        deal.probability if deal else None,
        deal.forecast_category if deal else None,
        (deal.close_date if deal else None) or close,
        deal.created_at if deal else None,
        deal.owner_crm_id if deal else None,
        deal.reason if deal else None,
        deal.stage_history_json if deal else None,
        deal.close_date_history_json if deal else None,
        calls,
        first,
        last,
        read_at,
        outcome_of(newest_stage, outcomes).value,
    )
