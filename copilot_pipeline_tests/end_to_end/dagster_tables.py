"""Create the tables of Dagster in the database of the environment, which takes a second of a first run."""

from __future__ import annotations

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.defs.instance import open_instance


def main() -> None:
    instance = open_instance(Environment())
    for storage in (instance.run_storage, instance.event_log_storage, instance.schedule_storage):
        assert storage is not None
    instance.dispose()


if __name__ == "__main__":
    main()
