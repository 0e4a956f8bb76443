"""A webhook of Zapier, n8n, Make or anybody, signed after the Standard Webhooks convention.

`webhook-id` is the same at every attempt: a receiver that remembers it drops repeats. So a message without an answer
is sent again, at least once in all. (https://github.com/standard-webhooks/standard-webhooks)
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from copilot_pipeline.delivery.model import DELIVERED, Delivery, Outcome
from copilot_pipeline.delivery.sinks.http_client import (
    ConnectFailed,
    ResponseLost,
    SinkHttpClient,
    refused_or_later,
    unanswered,
    unreached,
)
from copilot_pipeline.errors import ConfigurationError


def _now() -> datetime:
    return datetime.now(UTC)


class WebhookSink:
    """One address: one event a request."""

    kind = "webhook"
    batch_size = 1

    def __init__(
        self, url: str, secret: str | None, *, line: SinkHttpClient | None = None, now: Callable[[], datetime] = _now
    ) -> None:
        self._url = url
        self._signer = _signer(secret)
        self._line = line or SinkHttpClient()
        self._now = now

    def send(self, batch: Sequence[Delivery]) -> list[Outcome]:
        """Posts each event once."""
        return [self._post(delivery) for delivery in batch]

    def _post(self, delivery: Delivery) -> Outcome:
        content = json.dumps(delivery.payload, ensure_ascii=False)
        moment = self._now()
        headers = {
            "Content-Type": "application/json",
            "webhook-id": delivery.message_id,
            "webhook-timestamp": str(int(moment.timestamp())),
        }
        if self._signer is not None:
            headers["webhook-signature"] = self._signer.sign(delivery.message_id, moment, content)
        try:
            reply = self._line.send("POST", self._url, content=content.encode(), headers=headers)
        except ConnectFailed as error:
            return unreached(error)
        except ResponseLost as error:
            return unanswered(error, may_repeat=True)
        return DELIVERED if 200 <= reply.status < 300 else refused_or_later(reply)

    def doubt(self) -> None:
        """A repeat does no harm: nothing to ask."""

    def close(self) -> None:
        """Closes the connection."""
        self._line.close()


def _signer(secret: str | None) -> Webhook | None:
    if secret is None:
        return None
    try:
        return Webhook(secret)
    except (binascii.Error, ValueError, EmptyWebhookSecretError):
        raise ConfigurationError(
            "the webhook's secret must be base64, with or without `whsec_` before it: make one with "
            "`openssl rand -base64 24`"
        ) from None
