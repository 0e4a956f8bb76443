"""SQL statements of the report."""
