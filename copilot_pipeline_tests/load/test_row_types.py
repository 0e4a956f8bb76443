"""The row type of each table has its columns as fields, in the same order."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest

from copilot_pipeline.clients.clari.models import Topic, User
from copilot_pipeline.extract.accounts import AccountRow
from copilot_pipeline.extract.deals import DealRow
from copilot_pipeline.extract.raw_partitions import RawCallRow
from copilot_pipeline.extract.reference import ScorecardRow
from copilot_pipeline.load.tables import RAW_CALL_DETAILS, WAREHOUSE_TABLES, Table
from copilot_pipeline.marts.build import MART_ROWS
from copilot_pipeline.marts.history.teams import UserVersion
from copilot_pipeline.score.bricks import BrickRow
from copilot_pipeline.score.rows import EvidenceRow, SemarizeRunRow, SemarizeScoreRow
from copilot_pipeline.transform.deal_versions import DealVersion
from copilot_pipeline.transform.rows import (
    CallRow,
    CompetitorMentionRow,
    ParticipantRow,
    TopicMentionRow,
    TranscriptRow,
    UtteranceColumns,
)

ROW_TYPES: Mapping[str, type] = {
    "raw_call_details": RawCallRow,
    "calls": CallRow,
    "participants": ParticipantRow,
    "transcripts": TranscriptRow,
    "utterances": UtteranceColumns,
    "topic_mentions": TopicMentionRow,
    "competitor_mentions": CompetitorMentionRow,
    "semarize_runs": SemarizeRunRow,
    "semarize_scores": SemarizeScoreRow,
    "evidence": EvidenceRow,
    "users": User,
    "topics": Topic,
    "scorecards": ScorecardRow,
    "bricks": BrickRow,
    "deals": DealRow,
    "accounts": AccountRow,
    "deal_history": DealVersion,
    "user_history": UserVersion,
    **MART_ROWS,
}


def field_names(row_type: type) -> list[str]:
    """The fields of a dataclass or a named tuple, in order."""
    if dataclasses.is_dataclass(row_type):
        return [field.name for field in dataclasses.fields(row_type)]
    return list(getattr(row_type, "_fields"))  # noqa: B009


@pytest.mark.parametrize("table", [RAW_CALL_DETAILS, *WAREHOUSE_TABLES], ids=lambda table: table.name)
def test_fields_of_the_row_type_are_the_columns(table: Table) -> None:
    assert field_names(ROW_TYPES[table.name]) == list(table.column_names)
