"""A person in every place where one can be, and a walk of all places that shares no code with the search."""

from __future__ import annotations

import gzip
import html
import json
import re
import unicodedata
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg.types.string import TextLoader

from copilot_pipeline.sandbox.planted_person import EMAIL, NAME, PHONE, SAID
from copilot_pipeline.state.bodies import pack, unpack
from copilot_pipeline_tests.end_to_end.pipeline import Pipeline

NEEDLES = ("quillon", "ébène", "vossberg", "quillon.ebene@", "piano teacher still signs every invoice", "15123456789")
SCHEMAS = ("copilot", "copilot_ops", "public")
# What the planner has of frequent values: it outlives the rows.
_STATISTICS = b"""SELECT most_common_vals::text, histogram_bounds::text, most_common_elems::text FROM pg_stats
  WHERE schemaname = ANY(%s)"""
_ESCAPE = re.compile(r"\\+u([0-9a-fA-F]{4})")


def readable(text: str) -> str:
    """Return a text without escapes and marks, in lower case, and once more with its digits not separated."""
    text = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
    text = html.unescape(html.unescape(text)).replace("\\", "")
    text = " ".join(unicodedata.normalize("NFC", text).casefold().replace("’", "'").split())  # noqa: RUF001
    return f"{text}\n{re.sub(r'(?<=[0-9])[ ()./-]+(?=[0-9])', '', text)}"


def texts_of(value: Any) -> Iterator[str]:
    """Yield the text of a cell, of bytes in every way in which they may be packed."""
    if isinstance(value, memoryview | bytes):
        raw = bytes(value)
        yield raw.decode("utf-8", "replace")
        for way in (unpack, zlib.decompress, gzip.decompress):
            try:
                yield way(raw).decode("utf-8", "replace")
            except (zlib.error, OSError, ValueError, pa.ArrowException, EOFError, OverflowError, MemoryError):
                continue
    elif isinstance(value, dict | list):
        yield json.dumps(value, ensure_ascii=False, default=str)
    elif value is not None:
        yield str(value)


def trace_all(pipeline: Pipeline, needles: set[str], *folders: Path) -> dict[str, set[str]]:
    """Return where any of these texts is, in the same way."""
    wanted = {readable(needle).partition("\n")[0]: needle for needle in needles}
    found: dict[str, set[str]] = {}
    for place, text in _texts(pipeline, folders):
        if traces := {needle for plain, needle in wanted.items() if plain in readable(text)}:
            found.setdefault(place, set()).update(traces)
    return found


def walk(pipeline: Pipeline, *folders: Path) -> dict[str, set[str]]:
    """Return where the person is: `schema.table.column` or the file, and what of them is there."""
    return trace_all(pipeline, set(NEEDLES), *folders)


def _texts(pipeline: Pipeline, folders: tuple[Path, ...]) -> Iterator[tuple[str, str]]:
    with psycopg.connect(pipeline.database_url, autocommit=True) as connection:
        connection.adapters.register_loader("timestamptz", TextLoader)  # '-infinity' is no time of Python
        tables = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables "
            "WHERE table_schema = ANY(%s) AND table_type = 'BASE TABLE'",
            [list(SCHEMAS)],
        ).fetchall()
        for schema, table in tables:
            cursor = connection.execute(f'SELECT * FROM {schema}."{table}"'.encode())
            names = [column.name for column in cursor.description or ()]
            for row in cursor:
                for name, value in zip(names, row, strict=True):
                    yield from ((f"{schema}.{table}.{name}", text) for text in texts_of(value))
        for row in connection.execute(_STATISTICS, [list(SCHEMAS)]):
            yield from (("pg_stats", text) for value in row for text in texts_of(value))
    for folder in (pipeline.home, *folders):
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            place = re.sub(r"call_date=[0-9-]+[/+]", "", str(path.relative_to(folder)))
            yield place, place
            yield from ((place, text) for text in _texts_of_file(path.read_bytes()))


def _texts_of_file(content: bytes) -> Iterator[str]:
    if content[:4] == content[-4:] == b"PAR1":
        for row in pq.read_table(pa.BufferReader(content)).to_pylist():
            for value in row.values():
                yield from texts_of(value)
    yield from texts_of(content)


# --- planting ------------------------------------------------------------------------------------------------------


def planted_calls(pipeline: Pipeline) -> tuple[str, str]:
    """Return the ids of the call in which the person of the sandbox takes part, and of the one that names them.

    Let them take part in a call whose details are cut in half, too.
    """
    calls = [call for call in pipeline.sandbox.truth() if call["details"].get("transcript")]
    with_name = [call for call in calls if "quillon" in call["item"]["title"].casefold()]
    theirs, mentioning = (call["call_id"] for call in with_name)
    cut = next(call for call in calls if call not in with_name and call["item"]["externalParticipants"])["call_id"]
    pipeline.sandbox.edit(cut, externalParticipants=[{"name": NAME, "email": EMAIL.upper(), "phone": PHONE}])
    pipeline.sandbox.set_faults(malformed=[cut])
    return theirs, mentioning


def plant_in_places(pipeline: Pipeline, theirs: str, elsewhere: Path) -> None:
    """Put the person where no service brings one: former versions, incidents, Dagster, files."""
    escaped = json.dumps({"text": f"{NAME} of call {theirs}", "label": html.escape(NAME)})
    packed = pack(json.dumps({"name": NAME, "phones": [PHONE]}).encode())
    with psycopg.connect(pipeline.database_url, autocommit=True) as connection:
        for statement, *values in (
            ("INSERT INTO copilot_ops.bodies VALUES (%s, 'listed', now(), %s)", theirs, packed),
            ("INSERT INTO copilot_ops.replaced_transcripts VALUES ('h', %s, %s, now())", theirs, f"{NAME}: {SAID}"),
            (
                "INSERT INTO copilot_ops.inbox (kind, external_id, endpoint) VALUES ('call', %s, %s)",
                "another",
                f"/calls?by={EMAIL}",
            ),
            (
                "INSERT INTO copilot_ops.incidents (name, opened_at, last_notified_at, notifications, description, "
                "next_step) VALUES ('i', now(), now(), 1, %s, '')",
                NAME,
            ),
            ("UPDATE copilot_ops.calls SET last_problem = %s", f"{NAME}: not ready"),
            ("INSERT INTO copilot_ops.unlinked_calls VALUES ('r', 'another', %s, NULL, NULL, now())", NAME),
            (
                "INSERT INTO public.run_tags (run_id, key, value) SELECT run_id, 'w', %s FROM public.runs LIMIT 1",
                NAME,
            ),
            (
                "UPDATE public.event_logs SET event = jsonb_set(event::jsonb, '{user_message}', to_jsonb(%s::text)) "
                "WHERE id = (SELECT min(id) FROM public.event_logs)",
                f"{NAME} of call {theirs}",
            ),
            (
                "UPDATE public.asset_keys SET last_materialization = "
                "jsonb_set(last_materialization::jsonb, '{user_message}', to_jsonb(%s::text))",
                escaped,
            ),
        ):
            connection.execute(statement.encode(), values)
    day = next(call["day"] for call in pipeline.sandbox.truth() if call["call_id"] == theirs)
    raw = pipeline.home / "lake" / "raw_call_details" / f"call_date={day}" / "part.parquet"
    drafts = pipeline.home / "lake" / "_drafts"
    drafts.mkdir(exist_ok=True)
    (drafts / f".raw_call_details+{raw.parent.name}+part.parquet.00000000.1.0123abcd").write_bytes(raw.read_bytes())
    files: dict[Path, bytes] = {
        pipeline.home / "lake" / "reports" / "week-of-2026-03-02.html": html.escape(f"<p>{NAME}</p>").encode(),
        pipeline.home / "lake" / "_unreadable" / "calls+part.parquet": b"PAR1" + NAME.encode(),
        pipeline.home / "dagster" / "storage" / "1.err": f"a\nfailed: {NAME.upper()}\nb\n".encode(),
        pipeline.home / "old" / "log.gz": gzip.compress(escaped.encode()),
        elsewhere / "sent.csv": f"{EMAIL};{SAID}\n".encode(),
    }
    for path, body in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    with psycopg.connect(pipeline.database_url, autocommit=True) as connection:
        record_file = b"INSERT INTO copilot_ops.written_files (path, kind) VALUES (%s, 'export')"
        connection.execute(record_file, [str(elsewhere / "sent.csv")])
        connection.execute("ANALYZE")
