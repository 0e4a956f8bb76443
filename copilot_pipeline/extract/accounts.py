"""Accounts: what the calls have about them, and the record of the CRM mirror, which costs one request an account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.rows import class_row

from copilot_pipeline.clients.clari.client import ClariClient
from copilot_pipeline.clients.clari.models import Account
from copilot_pipeline.clients.clari.reference import parse_account
from copilot_pipeline.extract.crm_mirror import CrmMirror, MirroredKind, MirroredRecord, MirrorRead
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.snapshots import MIN_SHARE, confirm_snapshot, replace_snapshot
from copilot_pipeline.load.tables import ACCOUNTS
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.progress import Progress

# A company's name and place change rarely.
_KIND = MirroredKind("account", "accounts", read_again_after=timedelta(days=30))
_SQL = load_queries(__package__, "crm.sql")


@dataclass(frozen=True, slots=True)
class AccountOfCalls:
    """What the calls have about an account."""

    account_id: str
    calls: int
    deals: int
    first_call_at: datetime
    last_call_at: datetime
    name: str | None
    crm_system: str | None


@dataclass(slots=True, kw_only=True)
class AccountRow:
    """A row of `accounts`."""

    account_id: str
    name: str | None
    crm_system: str | None
    website: str | None
    description: str | None
    phones: list[str] | None
    address: str | None
    city: str | None
    state: str | None
    country: str | None
    postal_code: str | None
    custom_fields: str | None
    deals: int
    calls: int
    first_call_at: datetime
    last_call_at: datetime
    read_at: datetime | None


class Accounts:
    """Reads accounts from the CRM mirror and builds the table."""

    def __init__(
        self,
        lake: Lake,
        database: Database,
        *,
        requests_in_flight: int,
        progress: Progress,
        min_share: float = MIN_SHARE,
    ) -> None:
        self._lake = lake
        self._database = database
        self._min_share = min_share
        self._mirror = CrmMirror(database, _KIND, requests_in_flight=requests_in_flight, progress=progress)

    def read(self, client: ClariClient) -> MirrorRead:
        """Read each linked account that is new or was last read a month ago, one request each."""
        return self._mirror.read(lambda account_id: MirroredRecord(client.get_account(account_id)[1]))

    def build_table(self) -> int:
        """Replace `accounts` and return the number of rows. Sends no request.

        Raises `SnapshotRefused` if much fewer accounts are known than before; the old rows stay.
        """
        return replace_snapshot(self._lake, self._database, ACCOUNTS, self._rows(), min_share=self._min_share)

    def confirm_table(self) -> bool:
        """Return whether `accounts` has the rows that `build_table` would write. If so, it is confirmed as of now."""
        return confirm_snapshot(self._lake, self._database, ACCOUNTS, self._rows())

    def _rows(self) -> list[AccountRow]:
        with (
            self._database.connection() as connection,
            connection.cursor(row_factory=class_row(AccountOfCalls)) as cursor,
        ):
            of_calls = cursor.execute(_SQL["accounts_of_calls"]).fetchall()
        records = self._mirror.records(parse_account)
        rows = []
        for account in of_calls:
            read_at, record = records.get(account.account_id, (None, None))
            rows.append(_row(account, read_at, record))
        return rows


def _row(account: AccountOfCalls, read_at: datetime | None, record: Account | None) -> AccountRow:
    """Merge the values of the calls with the CRM mirror's record, which has precedence."""
    return AccountRow(
        account_id=account.account_id,
        name=(record.name if record else None) or account.name,
        crm_system=account.crm_system,
        website=record.website if record else None,
        description=record.description if record else None,
        phones=list(record.phones) if record else None,
        address=record.address if record else None,
        city=record.city if record else None,
        state=record.state if record else None,
        country=record.country if record else None,
        postal_code=record.postal_code if record else None,
        custom_fields=record.custom_fields_json if record else None,
        deals=account.deals,
        calls=account.calls,
        first_call_at=account.first_call_at,
        last_call_at=account.last_call_at,
        read_at=read_at,
    )
