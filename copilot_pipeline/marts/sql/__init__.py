"""SQL statements of the marts."""
