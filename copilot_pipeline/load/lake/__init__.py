"""The Parquet lake: `<lake>/<table>/call_date=YYYY-MM-DD/part.parquet`."""

from copilot_pipeline.load.lake.files import Lake, TableWriter

__all__ = ["Lake", "TableWriter"]
