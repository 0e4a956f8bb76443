"""A process that rebuilds the table of deals, for a test to kill."""

from __future__ import annotations

import sys

from copilot_pipeline.config.marts import OutcomeSettings
from copilot_pipeline.extract.deals import Deals
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.postgres import Database

if __name__ == "__main__":
    Deals(Lake(sys.argv[2]), Database(sys.argv[1]), OutcomeSettings()).build_table()
