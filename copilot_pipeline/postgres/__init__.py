"""PostgreSQL, configured or embedded: its schema, its connections, and SQL in named files."""

from copilot_pipeline.postgres.connections import Connection, Database, open_connection, open_database
from copilot_pipeline.postgres.embedded import EMBEDDED_FOLDER, database_url

__all__ = ["EMBEDDED_FOLDER", "Connection", "Database", "database_url", "open_connection", "open_database"]
