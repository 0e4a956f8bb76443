"""PostgreSQL, configured or embedded: its schema, its connections, and SQL in named files."""

from copilot_pipeline.postgres.connections import Database, open_connection, open_database
from copilot_pipeline.postgres.embedded import EMBEDDED_FOLDER, database_url

__all__ = ["EMBEDDED_FOLDER", "Database", "database_url", "open_connection", "open_database"]
