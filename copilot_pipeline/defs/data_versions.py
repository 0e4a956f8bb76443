"""What the UI shows of unchanged partitions: Dagster's data versions, and the option to rebuild them nevertheless."""

from collections.abc import Sequence

import dagster as dg
from pydantic import Field

from copilot_pipeline.load.inputs import text_version


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
