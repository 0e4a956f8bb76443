"""One call of the sandbox."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from copilot_pipeline.sandbox.company import Deal, Rep
from copilot_pipeline.sandbox.history import PlannedCall

READY = "POST_PROCESSING_DONE"
PENDING = ("SCHEDULED", "INITIATED", "INPROGRESS", "WAITING_IN_QUEUE", "PROCESSING")


@dataclass(slots=True)
class Call:
    """One call; `changes` replace generated fields."""

    call_id: str
    index: int
    started_at: datetime
    status: str
    modified_at: datetime
    is_private: bool
    rep: Rep
    deal: Deal | None
    trap: str | None
    length: int
    progress: float
    ready_after: float | None = None
    plan: PlannedCall | None = None  # of a company with a history
    is_removed: bool = False
    changes: dict[str, Any] = field(default_factory=dict)
    revision: int = 0
