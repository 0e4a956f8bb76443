"""The webhook receiver: its own port, its own process; it authenticates, writes the inbox, and answers.

A request passes, in this order, what each module is for:

    guard      the connection: slow or endless headers are cut off
    app        the request: path, method, size, time
    proof      who sent it: signature or shared secret, and how old it is
    flood      how many: two token buckets, one for those who are known and one for those who are not
    payload    what it is: JSON or a form, decoded strictly
    subjects   the ids in it; everything else in the payload is ignored
    intake     one transaction for all that arrived at the same time; the answer is sent after its commit
"""

from copilot_pipeline.receiver.app import Limits, receiver_app
from copilot_pipeline.receiver.endpoints import CLARI_COPILOT, SEMARIZE, Endpoint
from copilot_pipeline.receiver.server import serve

__all__ = ["CLARI_COPILOT", "SEMARIZE", "Endpoint", "Limits", "receiver_app", "serve"]
