"""Sinks: destinations of deliveries.

Each tries once and returns a result; `factory` builds them from settings.
"""

from copilot_pipeline.delivery.sinks.factory import build_email_sink, build_sink, sink_problem
from copilot_pipeline.delivery.sinks.hubspot import HubspotSink
from copilot_pipeline.delivery.sinks.salesforce import SalesforceSink
from copilot_pipeline.delivery.sinks.slack import SlackSink
from copilot_pipeline.delivery.sinks.webhook import WebhookSink

__all__ = [
    "HubspotSink",
    "SalesforceSink",
    "SlackSink",
    "WebhookSink",
    "build_email_sink",
    "build_sink",
    "sink_problem",
]
