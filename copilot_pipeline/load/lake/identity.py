"""The identity of a lake: a small file at its root, whose id is in the state store.

Without it an empty folder, such as one whose disk is not mounted, would look like a lake in which every day is empty.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.load.lake.files import Lake
from copilot_pipeline.load.lake.storage_errors import unusable
from copilot_pipeline.load.tables import RAW_CALL_DETAILS
from copilot_pipeline.postgres import Database
from copilot_pipeline.privacy.stored_tombstones import FILE as TOMBSTONES
from copilot_pipeline.privacy.stored_tombstones import missing_tombstones
from copilot_pipeline.state import Installation, PartitionStore

ID_FILE = "_copilot_pipeline_lake.json"
_KEY = "lake_id"


def accept_lake(lake: Lake, database: Database) -> str:
    """Return the id of the lake if it is the one of the state store; give an id to a new lake.

    Raises `ConfigurationError` if it is another lake, one without the data that the state store lists, or of a backup
    that is older than an erasure.
    """
    installation = Installation(database)
    lake_id, stored = read_id(lake), installation.load()
    if stored.lake_id is None or lake_id != stored.lake_id or stored.lake_url != lake.display_url:
        with installation.locked():
            lake_id = _accept(lake, database, installation)
    _check_tombstones(lake, database)
    return lake_id


def _check_tombstones(lake: Lake, database: Database) -> None:
    """Raise `ConfigurationError` if the database or the lake is of a backup from before an erasure."""
    with database.connection() as connection:
        try:
            in_database, in_lake = missing_tombstones(connection, lake.read_file(TOMBSTONES))
        except ValueError:
            raise ConfigurationError(
                f"the file {TOMBSTONES} of the lake {lake.display_url} cannot be parsed: delete it, and run: "
                "copilot-pipeline privacy restore"
            ) from None
    if in_database or in_lake:
        older = "the database" if in_database else f"the lake {lake.display_url}"
        raise ConfigurationError(
            f"{older} is older than an erasure, such as one that was restored from a backup: what was erased may be "
            "stored again. Erase it again before anything else: copilot-pipeline privacy restore"
        )


def check_lake(lake: Lake, database: Database) -> str | None:
    """Return the id of the lake, None if it has none yet and is accepted. Changes nothing.

    Raises `ConfigurationError` as `accept_lake` does.
    """
    lake_id, stored = read_id(lake), Installation(database).load()
    if lake_id is not None and lake_id in (stored.lake_id, stored.new_lake_id):
        return lake_id
    if lake_id is not None or not holds_data(lake, database):
        raise _refusal(lake, lake_id, stored.lake_id, stored.lake_url)
    return None


def read_id(lake: Lake) -> str | None:
    """Return the id of a lake, None if it has none. Raises `ConfigurationError` if it cannot be read."""
    try:
        content = lake.read_file(ID_FILE)
    except OSError as error:
        raise unusable(lake.display_url, "read", error) from None
    if content is None:
        return None
    try:
        return str(json.loads(content)[_KEY])
    except (ValueError, KeyError, TypeError):
        raise ConfigurationError(
            f"the file {ID_FILE} of the lake {lake.display_url} cannot be parsed: restore it, or delete it if the "
            "tables beside it are complete, and a new one is written"
        ) from None


def create_id(lake: Lake, installation: Installation) -> str:
    """Give the lake a new id, which the state store records; the lock of `installation` must be held.

    The state store records the id before the file is written, so that a crash in between does not leave a lake that
    looks like that of another database.
    """
    lake_id = installation.load().new_lake_id or str(uuid.uuid4())
    installation.save(new_lake_id=lake_id)
    write_id(lake, lake_id)
    lake.remove_drafts()
    installation.save(lake_id=lake_id, lake_url=lake.display_url, new_lake_id=None)
    return lake_id


def write_id(lake: Lake, lake_id: str) -> None:
    """Write the file with the id of a lake. Raises `ConfigurationError` if it cannot be written."""
    content = {_KEY: lake_id, "created_at": datetime.now(UTC).isoformat(timespec="seconds")}
    try:
        lake.replace_file(ID_FILE, (json.dumps(content) + "\n").encode())
    except OSError as error:
        raise unusable(lake.display_url, "written", error) from None


def holds_data(lake: Lake, database: Database) -> bool:
    """Return whether the lake has most of the raw files that the state store lists.

    Single missing files are found day by day, and their calls are fetched again.
    """
    stored = set(PartitionStore(database).stored_days())
    if not stored:
        return True
    try:
        return 2 * len(stored & lake.days_of(RAW_CALL_DETAILS)) >= len(stored)
    except OSError as error:
        raise unusable(lake.display_url, "read", error) from None


def _accept(lake: Lake, database: Database, installation: Installation) -> str:
    lake_id, stored = read_id(lake), installation.load()
    if lake_id is None:
        if not holds_data(lake, database):
            raise _refusal(lake, lake_id, stored.lake_id, stored.lake_url)
        if stored.lake_id is None:
            return create_id(lake, installation)
        write_id(lake, stored.lake_id)  # only the file is missing
        lake_id = stored.lake_id
    if lake_id == stored.new_lake_id:  # the process that created it was killed
        installation.save(lake_id=lake_id, new_lake_id=None)
    elif lake_id != stored.lake_id:
        raise _refusal(lake, lake_id, stored.lake_id, stored.lake_url)
    installation.save(lake_url=lake.display_url)
    return lake_id


def _refusal(lake: Lake, lake_id: str | None, stored_id: str | None, stored_url: str | None) -> ConfigurationError:
    if stored_id is None and lake_id is not None:
        return ConfigurationError(
            f"the lake {lake.display_url} belongs to another database (its id is {lake_id}): configure that "
            "database in COPILOT_PIPELINE_DATABASE_URL, or another folder in COPILOT_PIPELINE_LAKE_URL, or use this "
            "lake with this database: copilot-pipeline lake adopt"
        )
    what = "has no data" if lake_id is None else f"is another one (its id is {lake_id})"
    last = f"; the last one was {stored_url}" if stored_url else ""
    return ConfigurationError(
        f"the lake {lake.display_url} {what}, and the database lists calls that are stored in "
        f"{f'the lake {stored_id}' if stored_id else 'a lake'}{last}: set COPILOT_PIPELINE_LAKE_URL to where it is, "
        "move the files back, copy them (copilot-pipeline lake copy --from URL --to URL), or fetch all calls again "
        "(copilot-pipeline lake reset prints the cost first)"
    )
