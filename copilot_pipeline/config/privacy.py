"""The section `privacy` of `pipeline.yaml`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from copilot_pipeline.config.redaction import RedactionSettings
from copilot_pipeline.config.retention import RetentionSettings
from copilot_pipeline.config.types import Strict


def _column_name(name: str) -> str:
    if not re.fullmatch(r"[a-z_]+\.[a-z_]+", name):
        raise ValueError("must be a table and a column, such as participants.email")
    return name


ColumnName = Annotated[str, AfterValidator(_column_name)]


class PrivacySettings(Strict):
    """What becomes of personal data."""

    redact: RedactionSettings | None = Field(
        default=None, description="What is replaced in transcripts. Default: nothing."
    )
    hash_columns: tuple[ColumnName, ...] = Field(
        default=(),
        description="Columns of tables that are stored as keyed hashes, such as `participants.email`. The key is "
        "COPILOT_PIPELINE_HASH_KEY.",
    )
    drop_columns: tuple[ColumnName, ...] = Field(
        default=(), description="Columns of tables that are stored empty, such as `participants.phone`."
    )
    retention: RetentionSettings = Field(
        default_factory=RetentionSettings, description="How long what is stored is kept."
    )
