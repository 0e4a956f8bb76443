"""The section `privacy` of `pipeline.yaml`."""

from __future__ import annotations

from pydantic import Field

from copilot_pipeline.config.redaction import RedactionSettings
from copilot_pipeline.config.retention import RetentionSettings
from copilot_pipeline.config.types import Strict


class PrivacySettings(Strict):
    """What becomes of personal data."""

    redact: RedactionSettings | None = Field(
        default=None, description="What is replaced in transcripts. Default: nothing."
    )
    retention: RetentionSettings = Field(
        default_factory=RetentionSettings, description="How long what is stored is kept."
    )
