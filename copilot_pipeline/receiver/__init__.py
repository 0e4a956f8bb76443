"""The webhook receiver: authenticates webhooks and writes them to the inbox.

A request passes these modules, in this order:

    http_limits      the connection: limits the time and size of everything but the body
    app              the request: path, method, size, time
    auth             the sender: signature or shared secret, and the age of the signature
    throttle         the rate: separate token buckets for authenticated and unauthenticated requests
    payload          the body: JSON or a form, parsed strictly
    ids              the call or run ids in the payload; everything else in it is ignored
    writer           the inbox: one transaction for all concurrent requests; the response is sent after its commit
"""

from copilot_pipeline.receiver.app import Limits, receiver_app
from copilot_pipeline.receiver.endpoints import CLARI_COPILOT, SEMARIZE, Endpoint
from copilot_pipeline.receiver.server import serve

__all__ = ["CLARI_COPILOT", "SEMARIZE", "Endpoint", "Limits", "receiver_app", "serve"]
