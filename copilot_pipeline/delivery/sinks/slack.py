"""Slack, through an incoming webhook.

Messages are built with Slack's own `slack_sdk` models. Its `WebhookClient` is not used: it does not show whether a
message whose response was lost had been sent, and it writes message bodies to debug logs.
Incoming webhooks have no idempotency key: a message whose response was lost is not sent again unless the sink is
configured to (`on_uncertain: resend`). So that an outage does not make every message uncertain that is tried meanwhile,
the server is probed with a GET, which posts nothing, before the next message.
Slack accepts one message per second and webhook, which is the rate of all processes with one database.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from copilot_pipeline.delivery.model import SENT, Delivery, SendResult
from copilot_pipeline.delivery.sinks.http_client import (
    ConnectFailed,
    ResponseLost,
    SinkHttpClient,
    connect_failed,
    error_result,
    response_lost,
)
from copilot_pipeline.delivery.sinks.throttle import Acquire, Throttle, Throttles

# By default one message per second and incoming webhook: https://docs.slack.dev/apis/web-api/rate-limits
THROTTLES = Throttles()

# "invalid_blocks", "channel_is_archived" and similar (https://docs.slack.dev, errors of incoming webhooks).
_MACHINE_CODE = re.compile(r"[a-z_]{3,60}")


class SlackSink:
    """One channel. Slack accepts one message per request."""

    kind = "slack"
    batch_size = 1

    def __init__(
        self,
        url: str,
        *,
        may_repeat: bool = False,
        http: SinkHttpClient | None = None,
        throttle: Throttle | None = None,
        acquire: Acquire | None = None,
    ) -> None:
        """`throttle` spaces the messages of this process, `acquire` those of all processes."""
        self._url = url
        self._may_repeat = may_repeat
        self._http = http or SinkHttpClient()
        self._throttle = throttle or Throttle(0)
        self._acquire = acquire
        self._needs_probe = False

    def send(self, batch: Sequence[Delivery]) -> list[SendResult]:
        """Post each message once."""
        return [self._post(delivery) for delivery in batch]

    def require_probe(self) -> None:
        """Probe the server before the next message."""
        self._needs_probe = not self._may_repeat

    def _post(self, delivery: Delivery) -> SendResult:
        content = json.dumps(delivery.payload).encode()
        if self._needs_probe and (failed := self._probe()) is not None:
            return failed
        self._needs_probe = False
        headers = {"Content-Type": "application/json"}
        try:
            with self._throttle.slot(self._acquire):
                response = self._http.send("POST", self._url, content=content, headers=headers)
        except ConnectFailed as error:
            return connect_failed(error)
        except ResponseLost as error:
            self.require_probe()
            return response_lost(error, may_repeat=self._may_repeat)
        if 200 <= response.status < 300:
            return SENT
        text = response.body[:100].decode("utf-8", "replace").strip()
        return error_result(response, text if _MACHINE_CODE.fullmatch(text) else None)

    def _probe(self) -> SendResult | None:
        """Return None if the server responds to a GET, with any status.

        Otherwise the result for the message.
        """
        try:
            self._http.send("GET", self._url, headers={})
        except ConnectFailed as error:
            return connect_failed(error)
        except ResponseLost as error:
            return response_lost(error, may_repeat=True)
        return None

    def close(self) -> None:
        """Close the connection."""
        self._http.close()
