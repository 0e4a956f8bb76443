"""Delivery: routes and the sinks they send to, an outbox that sends each delivery once, and incidents."""
