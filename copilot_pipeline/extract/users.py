"""Keep the snapshot of the users recent enough to name the speakers of new calls."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from copilot_pipeline.clients.clari.client import ClariClient
from copilot_pipeline.errors import CredentialsRefused, PipelineError, QuotaExhausted, RequestRefused
from copilot_pipeline.extract.reference import Reference
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.snapshots import MIN_SHARE
from copilot_pipeline.load.tables import USERS
from copilot_pipeline.postgres import Database

_LOCK = 7_203_114_014  # of the snapshot: runs that start together read the users once


class UsersRefresh:
    """Reads the users again when their snapshot is missing or old. Costs one request, of the client's source."""

    def __init__(
        self,
        client: ClariClient,
        lake: Lake,
        database: Database,
        *,
        max_age: timedelta,
        warn: Callable[[str], None],
        min_share: float = MIN_SHARE,
    ) -> None:
        self._client = client
        self._lake = lake
        self._database = database
        self._max_age = max_age
        self._warn = warn
        self._min_share = min_share

    def run(self) -> None:
        """Refresh the snapshot if it is due.

        A failure is a warning, except for refused credentials, and for a temporary one without a snapshot: calls would
        be loaded without the names of reps. A used-up quota is a warning as well, because calls that are fetched
        already are scored before the reset, and names change no run.
        """
        if not self._client.capabilities.has_reference or not self._is_due():
            return
        with self._database.transaction() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            if self._is_due():
                self._refresh()

    def _is_due(self) -> bool:
        read_at = self._lake.modified_at(USERS)
        return read_at is None or datetime.now(UTC) - read_at > self._max_age

    def _refresh(self) -> None:
        try:
            Reference(self._lake, self._database, min_share=self._min_share).refresh_users(self._client)
        except CredentialsRefused:
            raise
        except PipelineError as error:
            read_at = self._lake.modified_at(USERS)
            if read_at is None and not isinstance(error, RequestRefused | QuotaExhausted):
                raise
            fallback = f"those of {read_at:%Y-%m-%d %H:%M} UTC are used" if read_at else "reps may have no names"
            self._warn(f"the users could not be read ({error}): {fallback}")
