"""Write what is stored about a person or a call as JSON and as text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from copilot_pipeline.privacy.cells import Form, texts_of
from copilot_pipeline.privacy.file_places import FileHit
from copilot_pipeline.privacy.identity import lists
from copilot_pipeline.privacy.places import LAKE_TABLES, TABLES
from copilot_pipeline.privacy.search import Findings, Hit, Search
from copilot_pipeline.private_files import create_private_folder

_FORMS = {
    **{place.name: place.forms for place in TABLES},
    **{place.name: place.forms for place in LAKE_TABLES},
}


def write_export(search: Search, findings: Findings, folder: Path) -> tuple[Path, Path]:
    """Write `export.json` and `export.txt` into a folder, readable by the own user only; return their paths."""
    document = {
        "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "subject": {name: values for name, values in lists(search.identity).items() if name != "sentences"},
        "calls": sorted(findings.calls),
        "sent_to_sinks": [asdict(one) for one in findings.sent],
        "sent_to_the_scorer": [asdict(one) for one in findings.scored],
        "places": _places(search),
    }
    create_private_folder(folder)
    paths = folder / "export.json", folder / "export.txt"
    texts = json.dumps(document, ensure_ascii=False, indent=1, default=str), "\n".join(_lines(document)) + "\n"
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
    return paths


def _places(search: Search) -> dict[str, list[dict[str, Any]]]:
    places: dict[str, list[dict[str, Any]]] = {}
    for name, hit in search.hits():
        places.setdefault(name, []).append(_record(name, hit))
    return places


def _record(name: str, hit: Hit) -> dict[str, Any]:
    if isinstance(hit, FileHit):
        return {"file": hit.path, "has": dict(hit.kinds)}
    forms = _FORMS[name]
    return {
        column: _readable(forms.get(column), value) for column, value in hit.values.items() if value not in (None, [])
    }


def _readable(form: Form | None, value: Any) -> Any:
    if form in (Form.BYTES, Form.PACKED, Form.ZLIB, Form.JSON):
        (text,) = texts_of(form, value)
        try:
            return json.loads(text)
        except ValueError:
            return text
    return value


def _lines(document: dict[str, Any]) -> Iterator[str]:
    yield f"Written {document['written_at']}"
    for name, values in document["subject"].items():
        if values:
            yield f"{name}: {', '.join(values)}"
    for title in ("sent_to_sinks", "sent_to_the_scorer"):
        yield f"\n{title.replace('_', ' ')}: {len(document[title])}"
        yield from ("  " + ", ".join(f"{key} {value}" for key, value in one.items()) for one in document[title])
    for place, records in document["places"].items():
        yield f"\n{place}: {len(records)}"
        for record in records:
            yield "  -"
            yield from (f"    {column}: {value}" for column, value in record.items())
