"""Reference data: users, topics, scorecards and deals, small snapshots that are replaced whole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple

from copilot_pipeline.clients.clari import ClariClient
from copilot_pipeline.clients.clari.models import Scorecard, User
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.snapshots import replace_snapshot
from copilot_pipeline.load.tables import SCORECARDS, TOPICS, USERS, Table
from copilot_pipeline.postgres import Database
from copilot_pipeline.transform.transcripts import UserDirectory

Row = tuple[object, ...]


class Reference:
    """Reads and replaces the reference tables."""

    def __init__(self, lake: Lake, database: Database) -> None:
        self._lake = lake
        self._database = database

    def refresh_users(self, client: ClariClient) -> int:
        """`users`, at the price of one request."""
        return self._replace(USERS, [astuple(user) for user in client.list_users()[0]])

    def refresh_topics(self, client: ClariClient) -> int:
        """`topics`, at the price of one request."""
        rows = [
            (topic.topic_id, topic.name, topic.kind, list(topic.team_ids), topic.description, list(topic.trackers))
            for topic in client.list_topics()[0]
        ]
        return self._replace(TOPICS, rows)

    def refresh_scorecards(self, client: ClariClient) -> int:
        """`scorecards`, at the price of one request a hundred."""
        return self._replace(SCORECARDS, [_scorecard(card) for card in client.list_scorecards()[0]])

    def _replace(self, table: Table, rows: Sequence[Row]) -> int:
        unique = {row[0]: row for row in rows}  # the first column is the key
        return replace_snapshot(self._lake, self._database, table, unique.values())

    def user_directory(self) -> UserDirectory:
        """The users as last read; empty where they never were."""
        users = [User(**row) for batch in self._lake.batches(USERS) for row in batch.to_pylist()]
        return UserDirectory(users)


def _scorecard(card: Scorecard) -> Row:
    answers = [
        {"skill": answer.skill, "label": answer.label, "order": answer.order, "score": answer.score}
        for answer in card.answers
    ]
    return (
        card.scorecard_id,
        card.call_id,
        card.kind,
        card.rep_id,
        card.scorer_id,
        card.template_id,
        card.total_score,
        card.remark,
        json.dumps(answers, ensure_ascii=False),
    )
