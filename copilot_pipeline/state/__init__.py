"""The state store: what is known, fetched, stored and scored, in schema `copilot_ops` of PostgreSQL.

A change is recorded in the same transaction as the fact that it belongs to.
"""

from copilot_pipeline.state.backfills import Backfill, Backfills
from copilot_pipeline.state.calls import CallState, CallStore, CallToFetch, CallToRetry, DeferredCall, ReceivedDetails
from copilot_pipeline.state.inbox import InboundWebhook, Inbox, InboxBacklog, InboxItem, PutResult
from copilot_pipeline.state.installation import Installation
from copilot_pipeline.state.list_cursors import Cursor, CursorKey, ListCursors
from copilot_pipeline.state.locks import AdvisoryLocks
from copilot_pipeline.state.partitions import (
    LostCall,
    PartitionCall,
    PartitionStore,
    StoredCall,
    UnstoredBody,
    UnstoredKey,
)
from copilot_pipeline.state.pending_calls import PendingCalls
from copilot_pipeline.state.semarize_runs import RunIntent, SemarizeRun, SemarizeRunStore

__all__ = [
    "AdvisoryLocks",
    "Backfill",
    "Backfills",
    "CallState",
    "CallStore",
    "CallToFetch",
    "CallToRetry",
    "Cursor",
    "CursorKey",
    "DeferredCall",
    "InboundWebhook",
    "Inbox",
    "InboxBacklog",
    "InboxItem",
    "Installation",
    "ListCursors",
    "LostCall",
    "PartitionCall",
    "PartitionStore",
    "PendingCalls",
    "PutResult",
    "ReceivedDetails",
    "RunIntent",
    "SemarizeRun",
    "SemarizeRunStore",
    "StoredCall",
    "UnstoredBody",
    "UnstoredKey",
]
