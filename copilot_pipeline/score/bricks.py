"""The table of bricks: what the kits' schemas say about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from copilot_pipeline.clients.semarize import Kit, SemarizeClient
from copilot_pipeline.clients.semarize.kit_schema import BrickSchema, parse_bricks
from copilot_pipeline.errors import PipelineError
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.snapshots import replace_snapshot
from copilot_pipeline.load.stored_rows import read_snapshot
from copilot_pipeline.load.tables import BRICKS
from copilot_pipeline.postgres import Database

# Shorter than the day between two refreshes of the reference data.
MAX_AGE = timedelta(hours=20)


@dataclass(slots=True, kw_only=True)
class BrickRow:
    """A row of `bricks`."""

    kit: str
    brick: str
    position: int
    label: str
    question: str | None
    type: str | None
    scale_low: float | None
    scale_high: float | None


class Bricks:
    """Reads the schemas of the configured kits and replaces the table `bricks`."""

    def __init__(self, lake: Lake, database: Database, kits: Sequence[Kit]) -> None:
        self._lake = lake
        self._database = database
        self._kits = kits

    def refresh(self, client: SemarizeClient | None) -> tuple[int, list[str]]:
        """Replace the table; return its rows and a warning for each kit whose schema cannot be read.

        The rows of such a kit stay as they were. Costs one request per kit and no credit.
        """
        rows: list[BrickRow] = []
        warnings: list[str] = []
        for kit in self._kits if client is not None else ():
            try:
                bricks, reason = parse_bricks(client.kit_schema(kit)) if client else [], "it cannot be understood"
            except PipelineError as error:
                bricks, reason = [], str(error)
            if not bricks:
                warnings.append(f"the schema of kit {kit.name} was not read, so its rows in bricks stay: {reason}")
            rows += _rows(kit.name, bricks) if bricks else self._stored(kit.name)
        return replace_snapshot(self._lake, self._database, BRICKS, rows), warnings

    def is_current(self, now: datetime) -> bool:
        """Return whether the table has bricks of exactly the configured kits and is less than 20 hours old."""
        replaced_at = self._lake.modified_at(BRICKS)
        if replaced_at is None or now - replaced_at >= MAX_AGE:
            return False
        return {row["kit"] for row in read_snapshot(self._database, BRICKS)} == {kit.name for kit in self._kits}

    def _stored(self, kit: str) -> Iterator[BrickRow]:
        return (BrickRow(**row) for row in read_snapshot(self._database, BRICKS) if row["kit"] == kit)


def _rows(kit: str, bricks: Sequence[BrickSchema]) -> Iterator[BrickRow]:
    for position, brick in enumerate(bricks):
        yield BrickRow(
            kit=kit,
            brick=brick.name,
            position=position,
            label=brick.label or label_of(brick.name),
            question=brick.question,
            type=brick.type,
            scale_low=brick.scale_low,
            scale_high=brick.scale_high,
        )


def label_of(brick: str) -> str:
    """Return a name for people, made from the name of a brick: `risk_flag` is "Risk flag"."""
    words = " ".join(brick.replace("_", " ").replace("-", " ").split())
    return words[:1].upper() + words[1:] or brick
