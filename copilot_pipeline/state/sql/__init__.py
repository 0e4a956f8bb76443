"""SQL statements of the state store, one file per module."""
