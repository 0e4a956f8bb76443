"""The tables for analysts in PostgreSQL, loaded in one transaction per day."""

from copilot_pipeline.load.warehouse.loader import PartitionCopy, WarehouseLoader
from copilot_pipeline.load.warehouse.snapshots import load_snapshot
from copilot_pipeline.load.warehouse.views import outdated_kit_views, refresh_kit_views

__all__ = ["PartitionCopy", "WarehouseLoader", "load_snapshot", "outdated_kit_views", "refresh_kit_views"]
