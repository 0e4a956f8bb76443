"""What is known, held, stored and scored: in PostgreSQL, changed in one transaction with the fact it records."""

from copilot_pipeline.state.backfills import Backfill, Backfills
from copilot_pipeline.state.calls import CallStore, DeferredCall, KnownCall, ReceivedDetails, WantedCall
from copilot_pipeline.state.inbox import Delivery, Inbox, InboxItem, Outcome, Waiting
from copilot_pipeline.state.list_cursors import Cursor, ListCursors, Listing
from copilot_pipeline.state.locks import AdvisoryLocks
from copilot_pipeline.state.partitions import PartitionCall, PartitionStore, UnstoredBody, UnstoredKey
from copilot_pipeline.state.pending_calls import PendingCalls
from copilot_pipeline.state.semarize_runs import RunRequestRow, SemarizeRun, SemarizeRunStore

__all__ = [
    "AdvisoryLocks",
    "Backfill",
    "Backfills",
    "CallStore",
    "Cursor",
    "DeferredCall",
    "Delivery",
    "Inbox",
    "InboxItem",
    "KnownCall",
    "ListCursors",
    "Listing",
    "Outcome",
    "PartitionCall",
    "PartitionStore",
    "PendingCalls",
    "ReceivedDetails",
    "RunRequestRow",
    "SemarizeRun",
    "SemarizeRunStore",
    "UnstoredBody",
    "UnstoredKey",
    "Waiting",
    "WantedCall",
]
