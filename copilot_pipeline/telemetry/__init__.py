"""Metrics and traces: what processes record, what the state store says, and how both are exported."""
