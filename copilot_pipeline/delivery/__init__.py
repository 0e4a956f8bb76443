"""Delivery: rules, and the sinks they lead to. What went out is remembered by `ledger.outbox`."""
