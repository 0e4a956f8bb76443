"""Deals: what the calls have about them, and the record of the CRM mirror, which costs one request a deal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from copilot_pipeline.clients.clari.amounts import AmountConvention, parse_amount, parse_currency
from copilot_pipeline.clients.clari.models import Deal
from copilot_pipeline.clients.clari.reference import parse_deal
from copilot_pipeline.config.marts import OutcomeSettings
from copilot_pipeline.config.money import CurrencySettings
from copilot_pipeline.extract.crm_mirror import CrmMirror, MirroredKind, MirroredRecord, MirrorRead
from copilot_pipeline.load.history import DEAL_VERSIONS
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.snapshots import MIN_SHARE, confirm_snapshot, replace_snapshot
from copilot_pipeline.load.tables import DEALS
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_values
from copilot_pipeline.progress import NoProgress, Progress
from copilot_pipeline.transform.deal_outcomes import DealOutcome, outcome_of

if TYPE_CHECKING:
    from copilot_pipeline.clients.clari.client import ClariClient

_KIND = MirroredKind("deal", "deals", read_again_after=timedelta(hours=20))  # so that open deals are read daily
_SQL = load_queries(__package__, "crm.sql")
DELETED = "deleted"  # outcome of a deal that was open when the CRM deleted it


@dataclass(frozen=True, slots=True)
class DealOfCalls:
    """What the calls have about a deal."""

    deal_id: str
    calls: int
    first_call_at: datetime
    last_call_at: datetime
    name: str | None
    crm_system: str | None
    account_id: str | None
    account_name: str | None
    amount_raw: str | None
    stage: str | None
    close_date: datetime | None


@dataclass(slots=True, kw_only=True)
class DealRow:
    """A row of `deals`."""

    deal_id: str
    name: str | None
    crm_system: str | None
    account_id: str | None
    account_name: str | None
    amount: float | None
    amount_raw: str | None
    stage: str | None
    probability: float | None
    forecast_category: str | None
    close_date: datetime | None
    created_at: datetime | None
    owner_crm_id: str | None
    reason: str | None
    stage_history: str | None
    close_date_history: str | None
    calls: int
    first_call_at: datetime
    last_call_at: datetime
    read_at: datetime | None
    outcome: str
    currency: str | None


class Deals:
    """Reads deals from the CRM mirror and builds the table."""

    def __init__(
        self,
        lake: Lake,
        database: Database,
        outcomes: OutcomeSettings,
        *,
        currency: CurrencySettings | None = None,
        requests_in_flight: int = 1,
        progress: Progress | None = None,
        min_share: float = MIN_SHARE,
    ) -> None:
        self._lake = lake
        self._database = database
        self._outcomes = outcomes
        self._currency = currency or CurrencySettings()
        self._min_share = min_share
        self._mirror = CrmMirror(
            database, _KIND, requests_in_flight=requests_in_flight, progress=progress or NoProgress()
        )

    def read(self, client: ClariClient) -> MirrorRead:
        """Read each linked deal that is new or was open when it was last read, one request each."""

        def fetch(deal_id: str) -> MirroredRecord:
            deal, body = client.get_deal(deal_id)
            return MirroredRecord(body, is_closed=outcome_of(deal.stage, self._outcomes) is not DealOutcome.OPEN)

        return self._mirror.read(fetch)

    def build_table(self) -> int:
        """Replace `deals`, keep what changed in `deal_history`, and return the number of rows. Sends no request.

        Raises `SnapshotRefused` if much fewer deals are known than before; the old rows stay.
        """
        return replace_snapshot(
            self._lake, self._database, DEALS, self._rows(), min_share=self._min_share, history=DEAL_VERSIONS
        )

    def confirm_table(self) -> bool:
        """Return whether `deals` has the rows that `build_table` would write. If so, it is confirmed as of now."""
        return confirm_snapshot(self._lake, self._database, DEALS, self._rows(), history=DEAL_VERSIONS)

    def _rows(self) -> list[DealRow]:
        with self._database.connection() as connection, connection.cursor(row_factory=class_row(DealOfCalls)) as cursor:
            of_calls = cursor.execute(_SQL["deals_of_calls"]).fetchall()
            deleted = frozenset(fetch_values(connection, _SQL["deleted_deals"]))
        records = self._mirror.records(parse_deal)
        mirrored = (record.amount_raw for _, record in records.values() if record)
        amounts = AmountConvention([*mirrored, *_amounts_of_calls(self._database)])
        rows = []
        for deal in of_calls:
            read_at, record = records.get(deal.deal_id, (None, None))
            row = _row(deal, read_at, record, self._outcomes, amounts, self._currency)
            if deal.deal_id in deleted and row.outcome == DealOutcome.OPEN:
                row.outcome = DELETED
            rows.append(row)
        return rows


def amount_convention(database: Database) -> AmountConvention:
    """Return how the workspace writes amounts, as far as its loaded calls and deals show."""
    with database.connection() as connection:
        of_deals = fetch_values(connection, _SQL["amounts_of_deals"])
    return AmountConvention([*of_deals, *_amounts_of_calls(database)])


def _amounts_of_calls(database: Database) -> list[str]:
    with database.connection() as connection:
        return fetch_values(connection, _SQL["amounts_of_calls"])


def _row(
    deal: DealOfCalls,
    read_at: datetime | None,
    record: Deal | None,
    outcomes: OutcomeSettings,
    amounts: AmountConvention,
    currency: CurrencySettings,
) -> DealRow:
    """Merge the values of the calls with the CRM mirror's record, which has precedence."""
    of_record = parse_amount(record.amount_raw, amounts) if record else None
    stage = (record.stage if record else None) or deal.stage
    return DealRow(
        deal_id=deal.deal_id,
        name=(record.name if record else None) or deal.name,
        crm_system=deal.crm_system,
        account_id=deal.account_id or (record.account_crm_id if record else None),
        account_name=deal.account_name,
        amount=of_record if of_record is not None else parse_amount(deal.amount_raw, amounts),
        amount_raw=(record.amount_raw if record else None) or deal.amount_raw,
        currency=_currency(record.amount_raw if record else None, deal.amount_raw, currency),
        stage=stage,
        probability=record.probability if record else None,
        forecast_category=record.forecast_category if record else None,
        close_date=(record.close_date if record else None) or deal.close_date,
        created_at=record.created_at if record else None,
        owner_crm_id=record.owner_crm_id if record else None,
        reason=record.reason if record else None,
        stage_history=record.stage_history_json if record else None,
        close_date_history=record.close_date_history_json if record else None,
        calls=deal.calls,
        first_call_at=deal.first_call_at,
        last_call_at=deal.last_call_at,
        read_at=read_at,
        outcome=outcome_of(stage, outcomes).value,
    )


def _currency(of_record: str | None, of_calls: str | None, settings: CurrencySettings) -> str | None:
    """Return the currency that the record names, else the one that the calls name, else the setting."""
    named = (parse_currency(raw, settings.symbols) for raw in (of_record, of_calls))
    return next((code for code in named if code is not None), settings.default)
