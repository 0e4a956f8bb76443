"""A backup from before an erasure brings back what was erased: find it by the tombstones, to erase it again.

The tombstones are in the database, and copies in the lake and in the home. A restored database or lake lacks some,
which is noticed before anything is fetched or loaded (`load/lake/identity.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_all, fetch_values
from copilot_pipeline.privacy.identity import Identity, name_parts
from copilot_pipeline.privacy.people import Named, decoded, people_of
from copilot_pipeline.privacy.places import LAKE_TABLES
from copilot_pipeline.privacy.search import Stores
from copilot_pipeline.privacy.stored_tombstones import (
    FILE,
    add_tombstones,
    from_json,
    privacy_key,
    stored_tombstones,
    to_json,
)
from copilot_pipeline.privacy.tombstones import Mode, Tombstones
from copilot_pipeline.private_files import create_private_folder

FOLDER = "privacy"  # of the home
_SQL = load_queries(__package__, "restored.sql")
_RAW = LAKE_TABLES[0].table
_KINDS = {"emails": "email", "phones": "phone", "names": "name"}


@dataclass(frozen=True, slots=True)
class Restored:
    """Who or what of an erasure is stored again."""

    label: str
    mode: Mode
    identity: Identity

    @property
    def subject(self) -> str:
        """person or call."""
        people = self.identity.emails or self.identity.phones or self.identity.names
        return "person" if people else "call"


@dataclass(frozen=True, slots=True)
class _Person:
    name: str | None
    email: str | None


def copy_tombstones(stores: Stores) -> None:
    """Copy the tombstones to the lake and to the home, for what is restored from a backup."""
    with stores.database.connection() as connection:
        content = to_json(stored_tombstones(connection))
    stores.lake.replace_file(FILE, content)
    create_private_folder(stores.home / FOLDER)
    draft = stores.home / FOLDER / f".{FILE}"
    draft.write_bytes(content)
    draft.replace(stores.home / FOLDER / FILE)


def merge_tombstones(stores: Stores, files: Iterable[Path] = ()) -> None:
    """Add the tombstones of the lake, of the home and of some files to those of the database.

    Raises `ConfigurationError` if a file cannot be parsed, or if the key is not that of the tombstones.
    """
    own = stores.home / FOLDER / FILE
    try:
        contents = {str(path): path.read_bytes() for path in (*files, *([own] if own.is_file() else []))}
    except OSError as error:
        raise ConfigurationError(f"{error.filename} cannot be read: {error.strerror}") from None
    contents[f"{stores.lake.display_url}/{FILE}"] = stores.lake.read_file(FILE) or b""
    rows = []
    for name, content in contents.items():
        try:
            rows += from_json(content) if content else []
        except ValueError:
            raise ConfigurationError(f"{name} is no file of tombstones") from None
    Tombstones(rows, privacy_key())  # compares the key
    with stores.database.transaction() as connection:
        add_tombstones(connection, rows)


def restored_subjects(stores: Stores) -> list[Restored]:
    """Return who and what of all erasures is stored, by the values that have tombstones."""
    with stores.database.connection() as connection:
        tombstones = Tombstones(stored_tombstones(connection), privacy_key())
        people = fetch_all(connection, _Person, _SQL["people"])
        call_ids = set(fetch_values(connection, _SQL["call_ids"]))
    found: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    modes: dict[str, Mode] = {}

    def add(kind: str, value: str | None) -> None:
        for one in tombstones.all_of_value(kind, value):
            modes[one.label] = one.mode
            found[one.label][kind].add(value or "")

    for one in people:
        add("email", one.email)
        add("name", one.name)
    for call_id, entries in _people_in_lake(stores.lake):
        call_ids.add(call_id)
        for entry in entries:
            for kind, value in (("email", entry.email), ("phone", entry.phone), ("name", entry.name)):
                add(kind, value)
        for _, tombstone in tombstones.of_people(entries):
            if tombstone.mode == "calls":
                found[tombstone.label]["call"].add(call_id)
    for call_id in call_ids:
        add("call", call_id)
    return [Restored(label, modes[label], _identity(values, tombstones)) for label, values in sorted(found.items())]


def _identity(values: dict[str, set[str]], tombstones: Tombstones) -> Identity:
    parts = {part for name in values.get("name", ()) for part in name_parts(name)}
    lists: dict[str, Any] = {field: frozenset(values.get(kind, ())) for field, kind in _KINDS.items()}
    return Identity(
        **lists,
        parts=frozenset(part for part in parts if tombstones.all_of_value("part", part)),
        calls=frozenset(values.get("call", ())),
    )


def _people_in_lake(lake: Lake) -> Iterator[tuple[str, list[Named]]]:
    for day in sorted(lake.days_of(_RAW)):
        for batch in lake.batches(_RAW, day, columns=["call_id", "listed", "details"]):
            for row in batch.to_pylist():
                bodies = [row[part] for part in ("listed", "details") if row[part] is not None]
                yield row["call_id"], [entry for body in bodies for entry in people_of(decoded(body))]
