"""The stored tombstones, under the lock that orders an erasure and what stores something; and their copies in files.

A transaction that stores something holds a shared lock from before it reads the tombstones until its end, and an
erasure the exclusive one while it adds them: what is stored was either filtered, or is found by the erasure.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from copilot_pipeline.config.loading import load_environment
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_all, fetch_value
from copilot_pipeline.privacy.tombstones import VARIABLE, Tombstone, Tombstones

LOCK = 7_203_114_021  # of a PostgreSQL advisory lock: shared by those who store, exclusive for an erasure
FILE = "_erasures.json"  # the copy in the lake and in the home, by which a restored database honours them
MIN_KEY_LENGTH = 16
_SQL = load_queries(__package__, "tombstones.sql")
_NONE = Tombstones((), b"")
_loaded: dict[str, tuple[int, Tombstones]] = {}
_loading = threading.Lock()


def privacy_key() -> bytes:
    """Return the key of the hashes. Raises `ConfigurationError` if there is none, or a short one."""
    secret = load_environment().copilot_pipeline_privacy_key
    key = secret.get_secret_value().encode() if secret else b""
    if len(key) < MIN_KEY_LENGTH:
        raise ConfigurationError(
            f"{VARIABLE} is {'too short' if key else 'not set'}: what was erased is recognized by hashes with this key "
            f"of at least {MIN_KEY_LENGTH} characters. Set the key with which it was erased; create the first one "
            "with: openssl rand -hex 32"
        )
    return key


def current_tombstones(connection: Connection, *, hold: bool = True) -> Tombstones:
    """Return the tombstones, and hold the shared lock until the transaction of `connection` ends.

    Without `hold`, the caller has another lock that an erasure waits for: that of a day or of a table. Raises
    `ConfigurationError` if there are some and the key is missing or another one: what was erased could come back.
    """
    # Two statements: one would read the tombstones as they were before it waited for the lock.
    if hold:
        connection.execute(_SQL["share"], {"lock": LOCK})
    newest = int(fetch_value(connection, _SQL["newest"]))
    if newest == 0:
        return _NONE
    address = f"{connection.info.host}:{connection.info.port}/{connection.info.dbname}"
    with _loading:
        known = _loaded.get(address)
        if known is None or known[0] != newest:
            known = newest, Tombstones(stored_tombstones(connection), privacy_key())
            _loaded[address] = known
    return known[1]


def stored_tombstones(connection: Connection) -> list[Tombstone]:
    """Return the rows."""
    return fetch_all(connection, Tombstone, _SQL["all"])


def add_tombstones(connection: Connection, rows: Sequence[Tombstone]) -> None:
    """Add rows that are not there, under the exclusive lock, in a transaction of `connection`."""
    connection.execute(_SQL["exclude"], {"lock": LOCK})
    names = ("label", "kind", "hash", "mode", "words")
    connection.execute(_SQL["add"], {name: [getattr(row, name) for row in rows] for name in names})


def to_json(rows: Iterable[Tombstone]) -> bytes:
    """Return tombstones as the content of a file."""
    documents = [asdict(row) | {"hash": row.hash.hex()} for row in rows]
    return (json.dumps({"tombstones": documents}, indent=0) + "\n").encode()


def from_json(content: bytes) -> list[Tombstone]:
    """Return the tombstones of a file. Raises `ValueError`."""
    documents: Iterator[Mapping[str, Any]] = iter(json.loads(content)["tombstones"])
    try:
        return [Tombstone(**{**document, "hash": bytes.fromhex(document["hash"])}) for document in documents]
    except (TypeError, KeyError) as error:
        raise ValueError("not a file of tombstones") from error


def missing_tombstones(connection: Connection, content: bytes | None) -> tuple[int, int]:
    """Compare the stored tombstones with the file of a lake; return how many the database and the file lack.

    While an erasure is not finished, its tombstones may be missing from the file.
    """
    stored = set(stored_tombstones(connection))
    in_file = set(from_json(content)) if content else set()
    is_unfinished = bool(fetch_value(connection, _SQL["has_unfinished"]))
    return len(in_file - stored), 0 if is_unfinished else len(stored - in_file)
