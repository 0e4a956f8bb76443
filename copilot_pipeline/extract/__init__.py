"""Extract: list calls, fetch details, write raw partitions, poll, process webhooks, mirror the CRM."""
