"""HubSpot: write bricks to deals, up to 100 per request.

`hubspot-api-client` is not used: it is 24 MB of generated code for a single request.
API: https://developers.hubspot.com/docs/api-reference/crm-deals-v3/batch/post-crm-v3-objects-0-3-batch-update
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from copilot_pipeline.delivery.model import SENT, Delivery, SendResult, SendStatus
from copilot_pipeline.delivery.sinks.bisect import bisect_batch
from copilot_pipeline.delivery.sinks.http_client import (
    ConnectFailed,
    ResponseLost,
    SinkHttpClient,
    connect_failed,
    error_result,
    response_lost,
)

MAX_RECORDS = 100  # per batch, the vendor's limit
PATH = "/crm/v3/objects/deals/batch/update"

_CODE = re.compile(r"[A-Z_]{3,60}")
_PROBLEM = re.compile(r"\b(PROPERTY_DOESNT_EXIST|READ_ONLY_VALUE|INVALID_[A-Z_]{2,40})\b")
_PROPERTY = re.compile(r'"(?:name|propertyName)"\s*:\s*\[?\s*"([a-z][a-z0-9_]{0,99})"')
_NEXT_STEPS = {
    "PROPERTY_DOESNT_EXIST": "create the property on deals, or correct `map`",
    "READ_ONLY_VALUE": "the property is read-only: remove it from `map`",
    "INVALID_OPTION": "the property has no such option",
    "OBJECT_NOT_FOUND": "there is no such deal",
}


class HubspotSink:
    """Deals of one portal, written with the token of a private app."""

    kind = "hubspot"
    batch_size = MAX_RECORDS

    def __init__(self, base_url: str, token: str, *, http: SinkHttpClient | None = None) -> None:
        self._url = base_url + PATH
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._http = http or SinkHttpClient()

    def send(self, batch: Sequence[Delivery]) -> list[SendResult]:
        """Write the records. Repeated writes are harmless."""
        return bisect_batch(batch, self._attempt, _concerns_fields)

    def _attempt(self, batch: Sequence[Delivery]) -> list[SendResult] | SendResult:
        inputs = [{"id": one.payload["id"], "properties": _properties(one.payload["fields"])} for one in batch]
        try:
            content = json.dumps({"inputs": inputs}).encode()
            response = self._http.send("POST", self._url, content=content, headers=self._headers)
        except ConnectFailed as error:
            return connect_failed(error)
        except ResponseLost as error:
            return response_lost(error, may_repeat=True)
        body = response.json()
        if response.status in (200, 201, 207) and isinstance(body, dict):
            results = _record_results(batch, body)
            return [result or self.send([one])[0] for one, result in zip(batch, results, strict=True)]
        if response.status == 400:
            return _rejection(response.body.decode("utf-8", "replace"), body)
        return error_result(response, _category(body))

    def require_probe(self) -> None:
        """Do nothing: a repeat is harmless."""

    def close(self) -> None:
        """Close the connection."""
        self._http.close()


def _properties(fields: dict[str, Any]) -> dict[str, str]:
    """Convert values to text, the only type that HubSpot accepts."""
    return {
        name: ("true" if value else "false") if isinstance(value, bool) else str(value)
        for name, value in fields.items()
    }


def _record_results(batch: Sequence[Delivery], body: dict[str, Any]) -> list[SendResult | None]:
    """Return a result per deal; None if an error without an id may concern it."""
    results, errors = _objects(body.get("results")), _objects(body.get("errors"))
    if not errors and len(results) == len(batch):
        return [SENT] * len(batch)  # a merged deal is returned with the id of the other one
    by_id = {str(one.get("id")): SENT for one in results}
    unnamed = []
    for error in errors:
        context = error.get("context")
        ids = context.get("ids") if isinstance(context, dict) else None
        named = ids if isinstance(ids, list) else []
        unnamed += [] if named else [error]
        by_id |= {str(identity): _rejection(json.dumps(error), error) for identity in named}
    unmentioned = SendResult(SendStatus.RETRY, "the response does not mention this deal") if not unnamed else None
    if unnamed and len(batch) == 1:
        unmentioned = _rejection(json.dumps(unnamed[0]), unnamed[0])
    return [by_id.get(one.payload["id"], unmentioned) for one in batch]


def _rejection(text: str, body: object) -> SendResult:
    """Return a failed result with codes and names of properties only.

    The vendor's message quotes the value.
    """
    text = text.replace('\\"', '"')  # the message contains a list of problems as JSON
    problem = _PROBLEM.search(text)
    code = problem[1] if problem else _category(body) or "rejected without an error code"
    names = list(dict.fromkeys(_PROPERTY.findall(text)))
    reason = code + (f" ({', '.join(names)})" if names else "")
    next_step = _NEXT_STEPS.get(code)
    return SendResult(SendStatus.FAILED, f"{reason}: {next_step}" if next_step else reason)


def _category(body: object) -> str | None:
    value = body.get("category") if isinstance(body, dict) else None
    return value if isinstance(value, str) and _CODE.fullmatch(value) else None


def _objects(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _concerns_fields(result: SendResult) -> bool:
    return (result.reason or "").startswith(("PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE"))
