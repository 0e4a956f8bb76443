"""Deals: what the calls say of them for nothing, and the CRM mirror's record at one request a deal."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from copilot_pipeline.clients.clari import ClariClient
from copilot_pipeline.clients.clari.models import Deal
from copilot_pipeline.clients.clari.reference import parse_deal
from copilot_pipeline.config.marts import OutcomeSettings
from copilot_pipeline.extract.crm_mirror import CrmMirror, MirroredKind, MirroredRecord, MirrorRead
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.snapshots import replace_snapshot
from copilot_pipeline.load.tables import DEALS
from copilot_pipeline.postgres import Database
from copilot_pipeline.progress import NoProgress, Progress
from copilot_pipeline.transform.deal_outcomes import DealOutcome, outcome_of

# A closed deal does not change any more; an open one is read again a day later.
_KIND = MirroredKind("deals", "deal_id", read_again="20 hours")
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


class Deals:
    """Reads deals and makes the table."""

    def __init__(
        self,
        lake: Lake,
        database: Database,
        outcomes: OutcomeSettings,
        *,
        requests_in_flight: int = 1,
        progress: Progress | None = None,
    ) -> None:
        self._lake = lake
        self._database = database
        self._outcomes = outcomes
        self._mirror = CrmMirror(
            database, _KIND, requests_in_flight=requests_in_flight, progress=progress or NoProgress()
        )

    def read(self, client: ClariClient) -> MirrorRead:
        """One request for each linked deal that is new, or was open when it was last read."""

        def fetch(deal_id: str) -> MirroredRecord:
            deal, body = client.get_deal(deal_id)
            return MirroredRecord(body, is_closed=outcome_of(deal.stage, self._outcomes) is not DealOutcome.OPEN)

        return self._mirror.read(fetch)

    def tabulate(self) -> int:
        """Replaces `deals`. Costs no request. Returns the rows."""
        with self._database.connection() as connection:
            from_calls = connection.execute(_FROM_CALLS).fetchall()
        records = self._mirror.records(parse_deal)
        rows = []
        for row in from_calls:
            read_at, deal = records.get(row[0], (None, None))
            rows.append(_row(row, read_at, deal, self._outcomes))
        return replace_snapshot(self._lake, self._database, DEALS, rows)


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
