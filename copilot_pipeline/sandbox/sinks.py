"""Emulated Slack, Salesforce, HubSpot and webhook that record requests."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any
from urllib.parse import parse_qs

from copilot_pipeline.sandbox.company import Company
from copilot_pipeline.sandbox.exchange import Reply, Request, as_json
from copilot_pipeline.sandbox.faults import Dice, Faults
from copilot_pipeline.sandbox.options import (
    HUBSPOT_TOKEN,
    SALESFORCE_CLIENT_ID,
    SALESFORCE_CLIENT_SECRET,
    WEBHOOK_SECRET,
)

_ACCESS_TOKEN = "sandbox-access-token"
_MAX_SALESFORCE_RECORDS = 200
_MAX_HUBSPOT_RECORDS = 100


class Sinks:
    """All four sinks."""

    def __init__(self, company: Company, dice: Dice) -> None:
        self._company = company
        self._dice = dice
        self.slack_messages: list[Any] = []
        self.opportunities: dict[str, dict[str, Any]] = {deal.deal_id: {} for deal in company.deals}
        self.salesforce_writes: list[dict[str, Any]] = []
        self.hubspot_deals: dict[str, dict[str, Any]] = {}
        self.hubspot_writes: list[dict[str, Any]] = []
        self.hooks: list[dict[str, Any]] = []

    def _fault(self, sink: str, faults: Faults) -> Reply | None:
        if sink in faults.sink_down:
            return as_json(503, {"message": "down"})
        if self._dice.roll(f"{sink} 429", faults.sink_429_share):
            return as_json(429, {"message": "slow down"}, **{"Retry-After": "1"})
        return None

    def slack(self, request: Request, faults: Faults) -> Reply:
        """An incoming webhook: `ok`, `invalid_payload` or `invalid_blocks`."""
        fault = self._fault("slack", faults)
        if fault is not None:
            return fault
        message = request.json()
        if not isinstance(message, dict) or not (message.get("text") or message.get("blocks")):
            return Reply(400, b"invalid_payload", media_type="text/plain")
        blocks = message.get("blocks", [])
        if len(blocks) > 50 or any(len(str((block.get("text") or {}).get("text", ""))) > 3000 for block in blocks):
            return Reply(400, b"invalid_blocks", media_type="text/plain")
        self.slack_messages.append(message)
        return Reply(200, b"ok", media_type="text/plain")

    def salesforce(self, request: Request, faults: Faults) -> Reply:
        """The token endpoint, the collections endpoint and single opportunities."""
        fault = self._fault("salesforce", faults)
        if fault is not None:
            return fault
        if request.path == "/services/oauth2/token":
            return self._salesforce_token(request)
        if request.headers.get("authorization") != f"Bearer {_ACCESS_TOKEN}":
            return as_json(401, [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}])
        if request.path.endswith("/composite/sobjects") and request.method == "PATCH":
            return self._salesforce_update(request, faults)
        parts = request.path.rsplit("/", 1)
        if parts[0].endswith("/sobjects/Opportunity") and parts[1] in self.opportunities:
            return as_json(200, {"Id": parts[1], **self.opportunities[parts[1]]})
        return as_json(404, [{"message": "The requested resource does not exist", "errorCode": "NOT_FOUND"}])

    def _salesforce_token(self, request: Request) -> Reply:
        form = {name: values[0] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
        basic = base64.b64encode(f"{SALESFORCE_CLIENT_ID}:{SALESFORCE_CLIENT_SECRET}".encode()).decode()
        is_accepted = (form.get("client_id"), form.get("client_secret")) == (
            SALESFORCE_CLIENT_ID,
            SALESFORCE_CLIENT_SECRET,
        )
        is_accepted = is_accepted or request.headers.get("authorization") == f"Basic {basic}"
        if form.get("grant_type") != "client_credentials" or not is_accepted:
            return as_json(400, {"error": "invalid_client", "error_description": "invalid client credentials"})
        host = request.headers.get("host", "")
        token = {"access_token": _ACCESS_TOKEN, "token_type": "Bearer", "instance_url": f"http://{host}/salesforce"}
        return as_json(200, token)

    def _salesforce_update(self, request: Request, faults: Faults) -> Reply:
        body = request.json()
        records = body.get("records") if isinstance(body, dict) else None
        if not isinstance(records, list) or len(records) > _MAX_SALESFORCE_RECORDS:
            return as_json(400, [{"message": "too many records", "errorCode": "EXCEEDED_ID_LIMIT"}])
        results = [self._salesforce_record(record, faults) for record in records]
        return as_json(200, results)

    def _salesforce_record(self, record: dict[str, Any], faults: Faults) -> dict[str, Any]:
        identity = str(record.get("id") or record.get("Id") or "")
        fields = {name: value for name, value in record.items() if name.lower() not in ("id", "attributes")}
        for name in fields:
            if name in faults.salesforce_unknown:
                return _salesforce_error(
                    identity, "INVALID_FIELD", f"No such column '{name}' on entity 'Opportunity'", name
                )
            if name in faults.salesforce_read_only:
                message = "Unable to create/update fields: check the security settings of this field"
                return _salesforce_error(identity, "INVALID_FIELD_FOR_INSERT_UPDATE", message, name)
        if identity not in self.opportunities:
            return _salesforce_error(identity, "ENTITY_IS_DELETED", "entity is deleted", None)
        self.opportunities[identity] |= fields
        self.salesforce_writes.append({"id": identity, **fields})
        return {"id": identity, "success": True, "errors": []}

    def hubspot(self, request: Request, faults: Faults) -> Reply:
        """Batch update of deals: 200, or 207 if some of them fail."""
        fault = self._fault("hubspot", faults)
        if fault is not None:
            return fault
        if request.headers.get("authorization") != f"Bearer {HUBSPOT_TOKEN}":
            return as_json(401, {"status": "error", "category": "INVALID_AUTHENTICATION", "message": "not authorised"})
        if request.path != "/crm/v3/objects/deals/batch/update" or request.method != "POST":
            return as_json(404, {"status": "error", "message": "not found"})
        body = request.json()
        inputs = body.get("inputs") if isinstance(body, dict) else None
        if not isinstance(inputs, list) or len(inputs) > _MAX_HUBSPOT_RECORDS:
            return as_json(400, {"status": "error", "category": "VALIDATION_ERROR", "message": "bad inputs"})
        results, errors = [], []
        for one in inputs:
            identity = str(one.get("id"))
            if self._company.deal(identity) is None:
                context = {"ids": [identity]}
                errors.append(
                    {"status": "error", "category": "OBJECT_NOT_FOUND", "message": "no deal", "context": context}
                )
                continue
            properties = one.get("properties", {})
            self.hubspot_deals[identity] = {**self.hubspot_deals.get(identity, {}), **properties}
            self.hubspot_writes.append({"id": identity, **properties})
            results.append({"id": identity, "properties": properties})
        result: dict[str, Any] = {"status": "COMPLETE", "results": results}
        if errors:
            return as_json(207, {**result, "numErrors": len(errors), "errors": errors})
        return as_json(200, result)

    def hook(self, request: Request, faults: Faults) -> Reply:
        """A generic webhook; records whether the Standard Webhooks signature is right."""
        fault = self._fault("hooks", faults)
        if fault is not None:
            return fault
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        headers = {name: request.headers.get(name) for name in names}
        self.hooks.append({"headers": headers, "body": request.json(), "signature_is_right": _is_signed(request)})
        return as_json(200, {"received": True})

    def deliveries(self) -> dict[str, Any]:
        """Everything that was received."""
        return {
            "slack": self.slack_messages,
            "salesforce": {"writes": self.salesforce_writes, "opportunities": self.opportunities},
            "hubspot": {"writes": self.hubspot_writes, "deals": self.hubspot_deals},
            "hooks": self.hooks,
        }


def _salesforce_error(identity: str, code: str, message: str, name: str | None) -> dict[str, Any]:
    fields = [] if name is None else [name]
    return {"id": identity, "success": False, "errors": [{"statusCode": code, "message": message, "fields": fields}]}


def _is_signed(request: Request) -> bool:
    key = base64.b64decode(WEBHOOK_SECRET.removeprefix("whsec_"))
    signed = f"{request.headers.get('webhook-id')}.{request.headers.get('webhook-timestamp')}.".encode() + request.body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    signatures = (request.headers.get("webhook-signature") or "").split(" ")
    return any(hmac.compare_digest(expected, one) for one in signatures)
