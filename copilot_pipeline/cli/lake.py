"""`copilot-pipeline lake`: show, copy, adopt and reset the lake."""

from __future__ import annotations

import json
import sys

import click

from copilot_pipeline.cli.connections import opened
from copilot_pipeline.cli.console import confirm, echo, print_json, text_console
from copilot_pipeline.cli.progress_bars import ProgressBars
from copilot_pipeline.errors import PipelineError
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.lake.copying import copy_lake
from copilot_pipeline.load.lake.identity import check_lake, create_id, holds_data, read_id
from copilot_pipeline.load.lake.losses import RawFiles, missing_bytes
from copilot_pipeline.load.lake.storage_errors import StorageError
from copilot_pipeline.postgres import Database
from copilot_pipeline.state import Installation, PartitionStore


@click.group("lake")
def command() -> None:
    """Show, copy, adopt or reset the lake, the Parquet files.

    The lake has an id, in the file _copilot_pipeline_lake.json at its root, which is also in the database. A command
    that finds another lake, or none where the database has the id of one, exits with code 3 and changes nothing.
    """


@command.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
def status(as_json: bool) -> None:
    """Compare the lake with the database: its id, and the calls whose bytes are missing. Changes nothing.

    Exits with 3 if it is another lake, with 1 if bytes are missing.
    """
    with opened() as (settings, database):
        lake = Lake(settings.environment.lake_url)
        lake_id = check_lake(lake, database)
        missing = missing_calls(lake, database)
    if as_json:
        print_json(json.dumps({"url": lake.display_url, "lake_id": lake_id, "missing_calls": missing}))
    else:
        console = text_console()
        console.print(f"lake  {lake.display_url}, id {lake_id or 'not yet given'}")
        for day, number in missing.items():
            console.print(f"{day}: the bytes of {number} call(s) are missing; the next run of the day fetches them")
    if missing:
        raise click.exceptions.Exit(1)


@command.command("copy")
@click.option("--from", "source", required=True, metavar="URL", help="The lake of this database.")
@click.option("--to", "target", required=True, metavar="URL", help="An empty folder, or one that was partly copied.")
def copy(source: str, target: str) -> None:
    """Copy the lake to another folder or object store, verify the copy and use it from then on.

    Stop runs and backfills first. An interrupted copy continues if the same command is repeated. When it is complete,
    set COPILOT_PIPELINE_LAKE_URL to the new address: the database refuses the old lake from then on.

    \b
    copilot-pipeline lake copy --from .copilot_pipeline/lake --to s3://bucket/lake
    """
    with opened() as (_, database), ProgressBars(text_console(stderr=True)) as bars:
        total = 0

        def on_file(done: int, files: int) -> None:
            nonlocal total
            if done == 1:
                bars.expect("files copied", files)
                total += files
            bars.advance("files copied")

        old, new = Lake(_absolute(source)), Lake(_absolute(target))
        try:
            result = copy_lake(old, new, database, on_file)
        except StorageError:
            raise
        except OSError as error:
            raise PipelineError(
                f"a file could not be copied ({error.strerror or type(error).__name__}): run the same command again"
            ) from None
    echo(
        f"{result.files:,} files with {result.rows:,} rows and {result.bytes:,} bytes are in {new.display_url} "
        f"({result.copied:,} copied now). Set COPILOT_PIPELINE_LAKE_URL={new.display_url}"
    )


@command.command("adopt")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def adopt(yes: bool) -> None:
    """Use the configured lake with this database, although it has another id.

    For a lake that was copied by other means, and for a database that was restored or lost. The lake must have the days
    of the database. Two databases must never use one lake.
    """
    with opened() as (settings, database):
        lake = Lake(settings.environment.lake_url)
        lake_id, installation = read_id(lake), Installation(database)
        if not holds_data(lake, database):
            raise PipelineError(
                f"the lake {lake.display_url} does not have most of the days of the database: copy them "
                "(copilot-pipeline lake copy), or fetch them again (copilot-pipeline lake reset)"
            )
        _confirm(f"Use the lake {lake.display_url} with this database only?", yes=yes)
        with installation.locked():
            if lake_id is None:
                lake_id = create_id(lake, installation)
            installation.save(lake_id=lake_id, lake_url=lake.display_url, new_lake_id=None)
        missing = sum(missing_calls(lake, database).values())
    echo(f"The lake {lake.display_url} (id {lake_id}) belongs to this database.")
    if missing:
        echo(f"The bytes of {missing:,} calls are missing from it; the next runs of their days fetch them again.")


@command.command("reset")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def reset(yes: bool) -> None:
    """Start a new lake because the old one is lost. Prints what will be fetched again, and needs confirmation.

    The rows in PostgreSQL stay until their calls are fetched again, and no transcript is scored again. Afterwards run
    or backfill the days.
    """
    with opened() as (settings, database):
        lake = Lake(settings.environment.lake_url)
        lake.probe()
        installation = Installation(database)
        loss = installation.loss()
        echo(
            f"{loss.calls:,} calls of {loss.days:,} days will be fetched again: about {loss.calls:,} requests for "
            f"details and {max(1, loss.calls // 100):,} to {loss.days + loss.calls // 100:,} for lists."
            + (
                f" {loss.removed:,} calls were removed at the vendor: they cannot be fetched, and only their rows stay."
                if loss.removed
                else ""
            ),
            err=True,
        )
        _confirm(f"Start a new lake in {lake.display_url}?", yes=yes)
        with installation.locked():
            installation.mark_all_lost()
            lake_id = create_id(lake, installation)
    echo(f"The lake {lake.display_url} has the new id {lake_id}. Now run or backfill the days.")


def missing_calls(lake: Lake, database: Database) -> dict[str, int]:
    """Return the number of calls whose bytes are missing from the lake, by day."""
    partitions = PartitionStore(database)
    days = partitions.days_with_calls()
    missing = {day: set(call_ids) for day, call_ids in missing_bytes(RawFiles(lake), partitions, days).items()}
    for call in partitions.lost_calls(days):
        if not call.is_removed:
            missing.setdefault(call.call_date, set()).add(call.call_id)
    return {day.isoformat(): len(calls) for day, calls in sorted(missing.items())}


def _absolute(url: str) -> str:
    from pathlib import Path

    return url if "://" in url else str(Path(url).expanduser().absolute())


def _confirm(question: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("No terminal for the confirmation. Add --yes.")
    confirm(question)
