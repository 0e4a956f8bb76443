"""The Parquet lake: `<lake>/<table>/call_date=YYYY-MM-DD/part.parquet`."""

from copilot_pipeline.load.lake.files import Lake
from copilot_pipeline.load.lake.identity import accept_lake
from copilot_pipeline.load.lake.table_writers import TableWriter

__all__ = ["Lake", "TableWriter", "accept_lake"]
