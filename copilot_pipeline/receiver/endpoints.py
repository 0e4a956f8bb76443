"""The two endpoints: their paths, and how their senders sign."""

from __future__ import annotations

from dataclasses import dataclass

from copilot_pipeline.state.inbox import Kind


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path of the receiver and the conventions of its senders."""

    name: str
    kind: Kind
    signature_header: str
    timestamp_header: str
    delivery_header: str | None
    needs_timestamp: bool
    may_repeat: bool

    @property
    def path(self) -> str:
        """Path that webhooks are posted to."""
        return f"/webhooks/{self.name}"


# Clari Copilot publishes no webhook format, so the signature is our own; Zapier, n8n and Make use this endpoint too.
CLARI_COPILOT = Endpoint(
    name="clari-copilot",
    kind="call",
    signature_header="x-webhook-signature",
    timestamp_header="x-webhook-timestamp",
    delivery_header=None,
    needs_timestamp=True,
    may_repeat=False,
)

# Semarize signs with HMAC in `Semarize-Signature` and delivers at least once, identified by `Semarize-Delivery-Id`.
# Whether it signs a timestamp is not published: a timestamp is checked if it is sent; without one, each signature is
# accepted once.
SEMARIZE = Endpoint(
    name="semarize",
    kind="run",
    signature_header="semarize-signature",
    timestamp_header="semarize-timestamp",
    delivery_header="semarize-delivery-id",
    needs_timestamp=False,
    may_repeat=True,
)
