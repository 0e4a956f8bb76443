"""What the UI shows of unchanged partitions: Dagster's data versions, and the option to rebuild them nevertheless."""

from collections.abc import Sequence
from datetime import date

import dagster as dg
from pydantic import Field

from copilot_pipeline.load.inputs import text_version
from copilot_pipeline.load.tables import Table
from copilot_pipeline.load.versions import version_of
from copilot_pipeline.postgres import Database
from copilot_pipeline.state.table_versions import NO_DAY, TableVersions


class RebuildConfig(dg.Config):
    """Options of a run in the Launchpad."""

    force: bool = Field(default=False, description="Rebuild days although nothing that they are made from has changed.")


def data_version_of(versions: Sequence[str | None]) -> dg.DataVersion | None:
    """The data version of the partitions of a run: equal whenever all of them are made from the same.

    None if one of them has no version; Dagster then gives the run one of its own.
    """
    if not versions or any(version is None for version in versions):
        return None
    (first, *others) = map(str, versions)
    return dg.DataVersion(text_version(" ".join([first, *others])) if others else first)


def data_version_of_raw(database: Database, days: Sequence[date]) -> dg.DataVersion | None:
    """The data version of raw partitions: equal until the file of one of them is written again."""
    versions = TableVersions(database, "calls")
    found = [versions.raw_version(day) for day in days]
    return data_version_of([one.version if one is not None else None for one in found])


def data_version_of_snapshot(database: Database, table: Table) -> dg.DataVersion | None:
    """The data version of an unpartitioned table: equal as long as its rows are. None if it has no version."""
    stored = TableVersions(database, table.name).find(NO_DAY)
    return dg.DataVersion(version_of(stored.inputs)) if stored is not None else None
