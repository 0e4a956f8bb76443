"""Delivery: routes, sinks, an outbox that sends each delivery once, incidents."""
