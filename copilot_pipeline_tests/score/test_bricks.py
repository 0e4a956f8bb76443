"""The table of bricks, from the schemas of the kits."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from copilot_pipeline.clients.http import RetryPolicy
from copilot_pipeline.clients.semarize import Kit, SemarizeClient, make_client
from copilot_pipeline.clients.semarize.kit_schema import BrickSchema, parse_bricks
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.postgres import Database
from copilot_pipeline.score.bricks import MAX_AGE, Bricks
from copilot_pipeline_tests.http_servers import ReceivedRequest, Reply, reply, serving

KITS = [Kit(name="deal", code="D1"), Kit(name="skills", code="S1")]
ROWS = "SELECT kit, brick, label, question, type, scale_low, scale_high FROM copilot.bricks ORDER BY kit, position"


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        ({"scale": {"min": 0, "max": 100}}, (0, 100)),
        ({"scale": [1, 5]}, (1, 5)),
        ({"scale": "0 - 1"}, (0, 1)),
        ({"min": 1, "max": 10}, (1, 10)),
        ({"range": {"minimum": "0", "maximum": "5"}}, (0, 5)),
        ({"scale": {"min": 5, "max": 5}}, (None, None)),
        ({"scale": "high"}, (None, None)),
        ({}, (None, None)),
    ],
)
def test_reads_a_scale_in_several_forms(scale: dict[str, Any], expected: tuple[float | None, float | None]) -> None:
    """The format of a schema is undocumented; a scale that cannot be understood is unknown, not 0."""
    body = reply({"bricks": [{"key": "depth", "label": "Depth", "type": "score", **scale}]}).body
    assert parse_bricks(body) == [BrickSchema("depth", "Depth", None, "score", *expected)]


def refresh(database: Database, lake: Lake, answers: dict[str, Any]) -> list[str]:
    """Refresh the table from a server with one schema per kit code; return the warnings."""

    def answer(received: ReceivedRequest) -> Reply:
        schema = next((one for code, one in answers.items() if code in received.params.values()), None)
        return Reply(404) if schema is None else reply(schema)

    with serving(answer) as server, closing(make_client(server.url, "key", policy=RetryPolicy(attempts=1))) as http:
        return Bricks(lake, database, KITS).refresh(SemarizeClient(http))[1]


def test_a_kit_whose_schema_cannot_be_read_keeps_its_bricks(database: Database, tmp_path: Path) -> None:
    """The other kits are refreshed: bricks that they no longer have disappear."""
    lake = Lake(str(tmp_path))
    risk = {"key": "risk_flag", "label": "Deal at risk", "question": "Is it?", "type": "boolean"}
    depth = {"key": "discovery_depth", "type": "score", "scale": [0, 100]}
    assert refresh(database, lake, {"D1": {"bricks": [risk, depth]}, "S1": {"bricks": {"skill": "score"}}}) == []
    with database.connection() as connection:
        assert connection.execute(ROWS.encode()).fetchall() == [
            ("deal", "risk_flag", "Deal at risk", "Is it?", "boolean", None, None),
            ("deal", "discovery_depth", "Discovery depth", None, "score", 0, 100),
            ("skills", "skill", "Skill", None, "score", None, None),
        ]
    (warning,) = refresh(database, lake, {"D1": {"bricks": [risk]}})
    assert "kit skills" in warning
    with database.connection() as connection:
        bricks = [row[1] for row in connection.execute(ROWS.encode()).fetchall()]
    assert bricks == ["risk_flag", "skill"]


def test_schemas_are_read_again_after_a_day_or_for_other_kits(database: Database, tmp_path: Path) -> None:
    """A second run of the same day sends no request; that of the next night does."""
    lake, now = Lake(str(tmp_path)), datetime.now(UTC)
    table = Bricks(lake, database, KITS)
    assert not table.is_current(now)
    refresh(database, lake, {"D1": {"bricks": ["risk_flag"]}, "S1": {"bricks": ["skill"]}})
    assert table.is_current(now)
    assert not table.is_current(now + MAX_AGE + timedelta(minutes=1))
    assert not Bricks(lake, database, KITS[:1]).is_current(now)
    assert not Bricks(lake, database, [*KITS, Kit(name="claims", code="C1")]).is_current(now)
