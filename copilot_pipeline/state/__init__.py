"""What is known, held, stored and scored: in PostgreSQL, changed in one transaction with the fact it records."""

from copilot_pipeline.state.backfills import Backfill, Backfills
from copilot_pipeline.state.calls import CallState, CallStore, CallToFetch, DeferredCall, ReceivedDetails
from copilot_pipeline.state.inbox import InboundWebhook, Inbox, InboxBacklog, InboxItem, PutResult
from copilot_pipeline.state.list_cursors import Cursor, CursorKey, ListCursors
from copilot_pipeline.state.locks import AdvisoryLocks
from copilot_pipeline.state.partitions import PartitionCall, PartitionStore, UnstoredBody, UnstoredKey
from copilot_pipeline.state.pending_calls import PendingCalls
from copilot_pipeline.state.semarize_runs import RunIntent, SemarizeRun, SemarizeRunStore

__all__ = [
    "AdvisoryLocks",
    "Backfill",
    "Backfills",
    "CallState",
    "CallStore",
    "CallToFetch",
    "Cursor",
    "CursorKey",
    "DeferredCall",
    "InboundWebhook",
    "Inbox",
    "InboxBacklog",
    "InboxItem",
    "ListCursors",
    "PartitionCall",
    "PartitionStore",
    "PendingCalls",
    "PutResult",
    "ReceivedDetails",
    "RunIntent",
    "SemarizeRun",
    "SemarizeRunStore",
    "UnstoredBody",
    "UnstoredKey",
]
