"""Load the score tables of days and report them: what the two steps of scoring have in common.

The three tables of a day are loaded in one transaction, so that a reader sees the runs of a call with their scores. The
step that pays loads them too: a run that fails later, or is killed, keeps what was paid for, and calls that have no
score yet do not delay the others.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

import dagster as dg

from copilot_pipeline.config.loading import Settings
from copilot_pipeline.defs.data_versions import data_version_of
from copilot_pipeline.defs.partitions import PROBLEMS, Metadata, PartitionReporter, fail_if
from copilot_pipeline.load.tables import EVIDENCE, SCORE_TABLES, SEMARIZE_SCORES, Table
from copilot_pipeline.postgres import Database
from copilot_pipeline.score.score_tables import LoadedScores, ScoreTables
from copilot_pipeline.state import CallStore

REBUILT_TABLES: tuple[Table, ...] = (SEMARIZE_SCORES, EVIDENCE)  # of the step that does not pay


@dataclass
class DayLoads:
    """The days of a step: what is loaded, what is not done, and mistakes in the routes of deliveries."""

    loaded: list[LoadedScores] = field(default_factory=list)
    problems: dict[date, list[str]] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)

    @property
    def has_rebuilt(self) -> bool:
        """Whether a day was not up to date."""
        return any(not one.is_current for one in self.loaded)

    def load(
        self,
        tables: ScoreTables,
        days: Iterable[date],
        reporter: PartitionReporter,
        selected: Sequence[Table],
        *,
        left_to_others: Sequence[Table],
    ) -> None:
        """Rebuild the tables of days that are not up to date, and report those without problems."""
        for one in tables.build(days, self.problems):
            if one.problem is not None:
                self.problems.setdefault(one.day, []).append(one.problem)
            if one.day in self.problems:
                continue
            self.loaded.append(one)
            facts = {table: (table, _facts_of(table, one)) for table in SCORE_TABLES}
            reporter.add(
                one.day, [facts[table] for table in selected], left_to_others=[facts[table] for table in left_to_others]
            )

    def fail_if_incomplete(self) -> None:
        """Raise `dagster.Failure` if a day has a problem."""
        fail_if(self.problems, "the scores", also=self.mistakes)

    def results(self, days: Sequence[date], selected: Iterable[Table]) -> Iterator[dg.MaterializeResult[None]]:
        """Yield the result of each table."""
        versions = {one.day: one.version for one in self.loaded}
        for table in selected:
            yield dg.MaterializeResult(
                asset_key=table.name,
                metadata={PROBLEMS: dg.MetadataValue.json(self.mistakes)} if self.mistakes else None,
                data_version=data_version_of([versions.get(day) for day in days]),
            )


def other_days(settings: Settings, database: Database, days: Sequence[date]) -> list[date]:
    """Other days whose call tables are newer than their scores, because a call moved to another day."""
    outdated = CallStore(database, settings.zone).partitions.days_with_outdated_scores()
    return [day for day in outdated if day not in days]


def _facts_of(table: Table, loaded: LoadedScores) -> Metadata:
    """The metadata of a day of a table."""
    return {
        "dagster/partition_row_count": loaded.rows[table.name],
        "calls_without_score": loaded.unscored,
        "truncated_values": loaded.truncated,
        "refused_rows": loaded.refused,
        "scored_with_other_redaction": loaded.other_redaction,
        "up_to_date": loaded.is_current,
    }
