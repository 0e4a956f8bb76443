"""The tables analysts read, in PostgreSQL: generated from the column list, loaded in bulk, a day in one transaction."""

from copilot_pipeline.load.warehouse.load import PartitionLoad, WarehousePartitionLoader, load_snapshot
from copilot_pipeline.load.warehouse.views import refresh_kit_views

__all__ = ["PartitionLoad", "WarehousePartitionLoader", "load_snapshot", "refresh_kit_views"]
