"""How long what is stored is kept (`privacy.retention`)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field

from copilot_pipeline.config.types import Strict

KEEP = "keep"
ERASE_AFTER = "erase_after"
UNLIMITED = "unlimited"
_MAX_DAYS = 36_500


def _duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    found = re.fullmatch(r"([1-9][0-9]{0,4})([dw])", value) if isinstance(value, str) else None
    days = int(found[1]) * (7 if found[2] == "w" else 1) if found else 0
    if not 1 <= days <= _MAX_DAYS:
        raise ValueError(f"must be a number of days or weeks such as 30d or 8w, from 1d to {_MAX_DAYS}d")
    return timedelta(days=days)


def _limit(value: object) -> object:
    return None if value == UNLIMITED else _or_unlimited(value)


def _or_unlimited(value: object) -> object:
    try:
        return _duration(value)
    except ValueError as error:
        raise ValueError(f"{error}, or {UNLIMITED}") from None


def _removed_calls(value: object) -> object:
    if value == KEEP:
        return None
    words = value.split() if isinstance(value, str) else []
    if len(words) != 2 or words[0] != ERASE_AFTER:
        raise ValueError(f"must be {KEEP}, or {ERASE_AFTER} and a number of days such as `{ERASE_AFTER} 30d`")
    return _duration(words[1])


Limit = Annotated[timedelta | None, BeforeValidator(_limit)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]


class RetentionSettings(Strict):
    """How long what is stored is kept. A nightly run removes what is older."""

    raw: Limit = Field(
        default=None,
        description="Responses of the vendor, by the day of the call. Tables made from them stay. Default: unlimited.",
    )
    transcripts: Limit = Field(
        default=None,
        description="What was said, by the day of the call: transcripts, utterances, quotes, summaries, answers of "
        "Semarize, and the responses of the vendor. Scores stay. Default: unlimited.",
    )
    former_versions: Duration = Field(
        default=timedelta(days=30), description="Transcripts and answers that newer ones have replaced."
    )
    outbox: Duration = Field(
        default=timedelta(days=30), description="Contents of messages after they were sent. Their keys stay."
    )
    quarantine: Duration = Field(default=timedelta(days=30), description="Bytes that could not be parsed.")
    inbox: Duration = Field(default=timedelta(days=7), description="Ids from webhooks after they were processed.")
    reports: Duration = Field(default=timedelta(days=365), description="Weekly reports in the lake.")
    events: Duration = Field(
        default=timedelta(days=90),
        description="Dagster's runs with their events and logs, except the last event that made a table or a day.",
    )
    removed_calls: Annotated[timedelta | None, BeforeValidator(_removed_calls)] = Field(
        default=None,
        description="`keep` calls that the vendor's list does not show any more, or `erase_after 30d`: erase them as "
        "`privacy erase --call` does, which needs COPILOT_PIPELINE_PRIVACY_KEY. Default: `keep`.",
    )

    @property
    def raw_limit(self) -> timedelta | None:
        """The limit of raw files, which hold the transcripts too."""
        limits = [limit for limit in (self.raw, self.transcripts) if limit is not None]
        return min(limits, default=None)
