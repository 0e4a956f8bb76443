"""What loading the settings in an empty folder says."""

from __future__ import annotations

from pathlib import Path

import pytest

from copilot_pipeline.config.loading import load_settings
from copilot_pipeline.errors import ConfigurationError


def error_message() -> str:
    """The message of the error that loading raises."""
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    return str(caught.value)


def error_message_for(content: str) -> str:
    """The message of the error that a pipeline.yaml causes."""
    Path("pipeline.yaml").write_text(content, encoding="utf-8")
    return error_message()
