"""PostgreSQL, configured or embedded: its schema, its connections, and SQL in named files."""

from copilot_pipeline.postgres.addresses import database_url
from copilot_pipeline.postgres.connections import Connection, Database, open_connection, open_database

__all__ = ["Connection", "Database", "database_url", "open_connection", "open_database"]
