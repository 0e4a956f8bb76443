"""Extract: list calls, fetch details, write raw partitions, poll, follow webhooks, mirror the CRM."""
