"""SQL statements of the delivery package, read by `load_queries`."""
