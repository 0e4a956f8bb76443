"""Load: column lists, the Parquet lake and the PostgreSQL warehouse."""
