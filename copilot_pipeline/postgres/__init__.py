"""PostgreSQL: the one that was named, or one of our own; its schema; its connections."""

from copilot_pipeline.postgres.connections import Database, open_connection, open_database
from copilot_pipeline.postgres.embedded import EMBEDDED_FOLDER, database_url

__all__ = ["EMBEDDED_FOLDER", "Database", "database_url", "open_connection", "open_database"]
