"""Accounts: what the calls say of them for nothing, and the CRM mirror's record at one request an account."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from copilot_pipeline.clients.clari import ClariClient
from copilot_pipeline.clients.clari.models import Account
from copilot_pipeline.clients.clari.reference import parse_account
from copilot_pipeline.extract.crm_mirror import CrmMirror, MirroredKind, MirroredRecord, MirrorRead
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.snapshots import replace_snapshot
from copilot_pipeline.load.tables import ACCOUNTS
from copilot_pipeline.postgres import Database
from copilot_pipeline.progress import Progress

# A company's name and place change rarely.
_KIND = MirroredKind("accounts", "account_id", read_again="30 days")
_FROM_CALLS = """
SELECT account_id, count(*), count(DISTINCT deal_id), min(started_at), max(started_at),
  (array_agg(account_name ORDER BY started_at DESC) FILTER (WHERE account_name IS NOT NULL))[1],
  (array_agg(crm_system ORDER BY started_at DESC) FILTER (WHERE crm_system IS NOT NULL))[1]
FROM copilot.calls WHERE account_id IS NOT NULL GROUP BY account_id ORDER BY account_id
"""


class Accounts:
    """Reads accounts and makes the table."""

    def __init__(self, lake: Lake, database: Database, *, requests_in_flight: int, progress: Progress) -> None:
        self._lake = lake
        self._database = database
        self._mirror = CrmMirror(database, _KIND, requests_in_flight=requests_in_flight, progress=progress)

    def read(self, client: ClariClient) -> MirrorRead:
        """One request for each linked account that is new, or was last read a month ago."""
        return self._mirror.read(lambda account_id: MirroredRecord(client.get_account(account_id)[1]))

    def tabulate(self) -> int:
        """Replaces `accounts`. Costs no request. Returns the rows."""
        with self._database.connection() as connection:
            from_calls = connection.execute(_FROM_CALLS).fetchall()
        records = self._mirror.records(parse_account)
        rows = []
        for row in from_calls:
            read_at, account = records.get(row[0], (None, None))
            rows.append(_row(row, read_at, account))
        return replace_snapshot(self._lake, self._database, ACCOUNTS, rows)


def _row(from_calls: tuple[Any, ...], read_at: datetime | None, account: Account | None) -> tuple[object, ...]:
    account_id, calls, deals, first, last, name, system = from_calls
    return (
        account_id,
        (account.name if account else None) or name,
        system,
        account.website if account else None,
        account.description if account else None,
        list(account.phones) if account else None,
        account.address if account else None,
        account.city if account else None,
        account.state if account else None,
        account.country if account else None,
        account.postal_code if account else None,
        account.custom_fields_json if account else None,
        deals,
        calls,
        first,
        last,
        read_at,
    )
