"""What sensors share: a runtime that stays open between ticks, and why a source is closed."""

from functools import lru_cache

from copilot_pipeline.config.loading import load_settings
from copilot_pipeline.runtime import BACKFILL, Runtime


@lru_cache(maxsize=1)
def sensor_runtime() -> Runtime:
    """One runtime for all ticks of this process: a tick must cost milliseconds."""
    return Runtime(load_settings(), source="sensor")


def why_closed(runtime: Runtime, source: str) -> str | None:
    """Why this source's requests would be refused now; None where they would not."""
    week = runtime.gate(source).quota()
    if week.closed_until is not None:
        return f"{week.why_closed}; on again at {week.closed_until:%Y-%m-%d %H:%M} UTC"
    if week.used + runtime.units_of_a_page > week.limit:
        share = "what backfills may use of the week" if source == BACKFILL else "the week"
        return f"{share} is spent ({week.used:,} of {week.limit:,}); on again at {week.resets_at:%Y-%m-%d %H:%M} UTC"
    return None
