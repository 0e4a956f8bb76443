"""Parquet: `<lake>/<table>/call_date=YYYY-MM-DD/part.parquet`, one file a table and day, replaced atomically."""

from copilot_pipeline.load.lake.files import Lake, TableWriter

__all__ = ["Lake", "TableWriter"]
