"""A process that sends queued e-mails, for a test to kill."""

from __future__ import annotations

import sys

from copilot_pipeline.delivery.dispatcher import Dispatcher
from copilot_pipeline.delivery.report_delivery import EMAIL_SINK
from copilot_pipeline.delivery.sinks.email import EmailSink
from copilot_pipeline.postgres import Database


def email_dispatcher(database: Database, url: str) -> Dispatcher:
    """Return a dispatcher of e-mails with attachments of two words."""
    return Dispatcher(
        database, [], {EMAIL_SINK: "email"}, lambda _: EmailSink(url, "reports@acme.example", lambda _: b"<p>The page")
    )


if __name__ == "__main__":
    email_dispatcher(Database(sys.argv[1]), sys.argv[2]).send()
