"""Log lines on standard error: text, or one JSON object per line. Neither has control codes of others."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from copilot_pipeline.printable import printable

JSON = "json"
_TEXT = "%(asctime)s %(levelname)s %(message)s"
# What Dagster adds to the records of a run, and the names under which JSON has it.
_DAGSTER_META = "dagster_meta"
_RUN_FIELDS = {"run_id": "run_id", "job_name": "job", "step_key": "step"}


class TextFormatter(logging.Formatter):
    """A line of text."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the printable line."""
        return printable(super().format(record))


class JsonFormatter(logging.Formatter):
    """An object with `timestamp` (UTC), `level`, `logger`, `message`, and of a run `run_id`, `job`, `step`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object on one line."""
        meta = getattr(record, _DAGSTER_META, None) or {}
        line: dict[str, object] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": printable(str(meta.get("orig_message") or record.getMessage())),
        }
        line |= {name: meta[key] for key, name in _RUN_FIELDS.items() if meta.get(key)}
        if record.exc_info:
            line["exception"] = printable(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def stderr_handler(log_format: str) -> logging.Handler:
    """Return a handler that writes to standard error in a format: `json`, or otherwise text."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == JSON else TextFormatter(_TEXT))
    return handler
