"""The two endpoints: where a sender posts, and how it words its proof and its ids."""

from __future__ import annotations

from dataclasses import dataclass

from copilot_pipeline.state.inbox import Kind


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address of the receiver and what is particular about its senders."""

    name: str
    kind: Kind
    signature_header: str
    timestamp_header: str
    delivery_header: str | None
    needs_timestamp: bool
    may_repeat: bool

    @property
    def path(self) -> str:
        """The path that is posted to."""
        return f"/webhooks/{self.name}"


# Clari Copilot publishes no webhook format, so the proof is ours to define; Zapier, n8n and Make use the same endpoint.
CLARI_COPILOT = Endpoint(
    name="clari-copilot",
    kind="call",
    signature_header="x-webhook-signature",
    timestamp_header="x-webhook-timestamp",
    delivery_header=None,
    needs_timestamp=True,
    may_repeat=False,
)

# Semarize signs with HMAC in `Semarize-Signature` and delivers at least once, named by `Semarize-Delivery-Id`. Whether
# it signs a timestamp is not published: one is checked where it is sent, and without one every signature counts once.
SEMARIZE = Endpoint(
    name="semarize",
    kind="run",
    signature_header="semarize-signature",
    timestamp_header="semarize-timestamp",
    delivery_header="semarize-delivery-id",
    needs_timestamp=False,
    may_repeat=True,
)
