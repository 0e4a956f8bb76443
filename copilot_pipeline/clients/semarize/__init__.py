"""The Semarize API: create and read runs, and parse their scores."""

from copilot_pipeline.clients.semarize.client import IdempotencyConflict, SemarizeClient, make_client, next_poll_seconds
from copilot_pipeline.clients.semarize.models import (
    Kit,
    RunRequest,
    RunState,
    RunStatus,
    UsedKit,
    run_request,
    same_request,
)
from copilot_pipeline.clients.semarize.scores import ParsedRun, Score, parse_scores

__all__ = [
    "IdempotencyConflict",
    "Kit",
    "ParsedRun",
    "RunRequest",
    "RunState",
    "RunStatus",
    "Score",
    "SemarizeClient",
    "UsedKit",
    "make_client",
    "next_poll_seconds",
    "parse_scores",
    "run_request",
    "same_request",
]
