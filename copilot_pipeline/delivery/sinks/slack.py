"""Slack, through an incoming webhook.

The messages are made with Slack's own `slack_sdk` models. Its `WebhookClient` does not send them: it cannot tell
whether a message that got no answer had gone out, and writes message bodies into debug logs.
Incoming webhooks know no idempotency key: a message without an answer is not sent again unless the sink says so
(`on_uncertain: resend`). So that an outage does not make every message uncertain that is tried in it, a server that
left one unanswered is first asked for something that posts nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from copilot_pipeline.delivery.model import DELIVERED, Delivery, Outcome
from copilot_pipeline.delivery.sinks.http_client import (
    ConnectFailed,
    ResponseLost,
    SinkHttpClient,
    refused_or_later,
    unanswered,
    unreached,
)

# "invalid_blocks", "channel_is_archived" and their like (https://docs.slack.dev, errors of incoming webhooks).
_MACHINE_CODE = re.compile(r"^[a-z_]{3,60}$")


class SlackSink:
    """One channel: one message a request, as Slack has it."""

    kind = "slack"
    batch_size = 1

    def __init__(self, url: str, *, may_repeat: bool = False, line: SinkHttpClient | None = None) -> None:
        self._url = url
        self._may_repeat = may_repeat
        self._line = line or SinkHttpClient()
        self._is_in_doubt = False

    def send(self, batch: Sequence[Delivery]) -> list[Outcome]:
        """Posts each message once."""
        return [self._post(delivery) for delivery in batch]

    def doubt(self) -> None:
        """It left a message unanswered."""
        self._is_in_doubt = not self._may_repeat

    def _post(self, delivery: Delivery) -> Outcome:
        content = json.dumps(delivery.payload).encode()
        if self._is_in_doubt and (still_down := self._why_down()) is not None:
            return still_down
        self._is_in_doubt = False
        try:
            reply = self._line.send("POST", self._url, content=content, headers={"Content-Type": "application/json"})
        except ConnectFailed as error:
            return unreached(error)
        except ResponseLost as error:
            self.doubt()
            return unanswered(error, may_repeat=self._may_repeat)
        if 200 <= reply.status < 300:
            return DELIVERED
        text = reply.body[:100].decode("utf-8", "replace").strip()
        return refused_or_later(reply, text if _MACHINE_CODE.match(text) else None)

    def _why_down(self) -> Outcome | None:
        """A GET posts nothing. Whatever is answered, it is an answer: then None."""
        try:
            self._line.send("GET", self._url, headers={})
        except ConnectFailed as error:
            return unreached(error)
        except ResponseLost as error:
            return unanswered(error, may_repeat=True)
        return None

    def close(self) -> None:
        """Closes the connection."""
        self._line.close()
