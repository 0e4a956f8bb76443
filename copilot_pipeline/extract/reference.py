"""Reference data: users, topics and scorecards, small snapshots that are replaced as a whole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from copilot_pipeline.clients.clari.models import Scorecard, User
from copilot_pipeline.load.history import USER_VERSIONS, Versions
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.snapshots import MIN_SHARE, replace_snapshot
from copilot_pipeline.load.stored_rows import read_snapshot
from copilot_pipeline.load.tables import SCORECARDS, TOPICS, USERS, Table
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_all
from copilot_pipeline.state.quarantine import quarantine_unreadable
from copilot_pipeline.transform.transcripts import UserDirectory

if TYPE_CHECKING:
    from copilot_pipeline.clients.clari.client import ClariClient

_SQL = load_queries(__package__, "reference.sql")


@dataclass(frozen=True, slots=True)
class UserName:
    """A name that a user has or had."""

    user_id: str
    name: str


@dataclass(slots=True, kw_only=True)
class ScorecardRow:
    """A row of `scorecards`."""

    scorecard_id: str
    call_id: str | None
    kind: str | None
    rep_id: str | None
    scorer_id: str | None
    template_id: str | None
    total_score: float | None
    remark: str | None
    answers: str


class Reference:
    """Reads and replaces the reference tables.

    An answer that is empty, or much smaller than what is stored, raises `SnapshotRefused`: the old rows stay.
    """

    def __init__(self, lake: Lake, database: Database, *, min_share: float = MIN_SHARE) -> None:
        self._lake = lake
        self._database = database
        self._min_share = min_share

    def refresh_users(self, client: ClariClient) -> int:
        """Replace `users`, keep what changed in `user_history`, and return the rows. Costs one request."""
        with quarantine_unreadable(self._database, "users"):
            users = client.list_users()[0]
        return self._replace(USERS, users, USER_VERSIONS)

    def refresh_topics(self, client: ClariClient) -> int:
        """Replace `topics` and return the rows. Costs one request."""
        with quarantine_unreadable(self._database, "topics"):
            topics = client.list_topics()[0]
        return self._replace(TOPICS, topics)

    def refresh_scorecards(self, client: ClariClient) -> int:
        """Replace `scorecards` and return the rows. Costs one request per hundred."""
        with quarantine_unreadable(self._database, "scorecards"):
            cards = client.list_scorecards()[0]
        return self._replace(SCORECARDS, [_scorecard(card) for card in cards])

    def _replace(self, table: Table, rows: Sequence[object], history: Versions | None = None) -> int:
        (key,) = table.key
        unique = {getattr(row, key): row for row in rows}
        return replace_snapshot(
            self._lake, self._database, table, unique.values(), min_share=self._min_share, history=history
        )

    def user_directory(self) -> UserDirectory:
        """Return the users as last read; an empty directory if they never were.

        If their file is missing from the lake, they are read from the warehouse: without them speakers have no names.
        """
        if self._lake.exists(USERS):
            rows = [row for batch in self._lake.batches(USERS) for row in batch.to_pylist()]
        else:
            rows = read_snapshot(self._database, USERS)
        with self._database.connection() as connection:
            names = fetch_all(connection, UserName, _SQL["names_of_users"])
        private = self._lake.private_columns
        return UserDirectory(
            [User(**row) for row in rows],
            [(one.user_id, one.name) for one in names],
            private.hide if private.is_hashed(USERS, "email") else None,
        )


def _scorecard(card: Scorecard) -> ScorecardRow:
    answers = [
        {"skill": answer.skill, "label": answer.label, "order": answer.order, "score": answer.score}
        for answer in card.answers
    ]
    return ScorecardRow(
        scorecard_id=card.scorecard_id,
        call_id=card.call_id,
        kind=card.kind,
        rep_id=card.rep_id,
        scorer_id=card.scorer_id,
        template_id=card.template_id,
        total_score=card.total_score,
        remark=card.remark,
        answers=json.dumps(answers, ensure_ascii=False),
    )
