"""Webhooks (Zapier, n8n, Make, or your own), signed by Standard Webhooks.

`webhook-id` is the same at every attempt, so that a receiver can drop repeats. An event whose response was lost is sent
again: at-least-once delivery. (https://github.com/standard-webhooks/standard-webhooks)
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Sequence

from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from copilot_pipeline.delivery.clock import Clock, machine_time
from copilot_pipeline.delivery.model import SENT, Delivery, SendResult
from copilot_pipeline.delivery.sinks.http_client import (
    ConnectFailed,
    ResponseLost,
    SinkHttpClient,
    connect_failed,
    error_result,
    response_lost,
)
from copilot_pipeline.errors import ConfigurationError


class WebhookSink:
    """One address. One event per request."""

    kind = "webhook"
    batch_size = 1

    def __init__(
        self, url: str, secret: str | None, *, http: SinkHttpClient | None = None, now: Clock = machine_time
    ) -> None:
        self._url = url
        self._signer = _signer(secret)
        self._http = http or SinkHttpClient()
        self._now = now

    def send(self, batch: Sequence[Delivery]) -> list[SendResult]:
        """Post each event once."""
        return [self._post(delivery) for delivery in batch]

    def _post(self, delivery: Delivery) -> SendResult:
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
            response = self._http.send("POST", self._url, content=content.encode(), headers=headers)
        except ConnectFailed as error:
            return connect_failed(error)
        except ResponseLost as error:
            return response_lost(error, may_repeat=True)
        return SENT if 200 <= response.status < 300 else error_result(response)

    def require_probe(self) -> None:
        """Do nothing: a repeat is harmless."""

    def close(self) -> None:
        """Close the connection."""
        self._http.close()


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
