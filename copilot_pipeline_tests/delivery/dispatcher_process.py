"""A process that sends queued deliveries, for a test to kill."""

from __future__ import annotations

import sys

from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.delivery.examples import HOOK, OPPORTUNITY, RISK, Clock, make_dispatcher, rules

if __name__ == "__main__":
    database = Database(sys.argv[1])
    make_dispatcher(database, sys.argv[2], rules(RISK, HOOK, OPPORTUNITY), Clock()).send()
