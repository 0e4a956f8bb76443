"""SQL statements of metrics."""
