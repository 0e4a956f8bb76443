"""The services of plain machines and of compose.yaml, with the settings of the image."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from copilot_pipeline_tests.deploy.object_store import running_object_store
from copilot_pipeline_tests.deploy.pods import can_isolate
from copilot_pipeline_tests.deploy.services import Services, read_settings
from copilot_pipeline_tests.end_to_end.conftest import MakePipeline
from copilot_pipeline_tests.end_to_end.conftest import make_pipeline as make_pipeline
from copilot_pipeline_tests.end_to_end.interface import TABLES
from copilot_pipeline_tests.end_to_end.truth import is_transcribed

pytestmark = [pytest.mark.e2e, pytest.mark.faults]


@pytest.mark.skipif(not can_isolate(), reason="needs a user who may create mount namespaces")
def test_services_share_only_database_and_bucket(make_pipeline: MakePipeline, tmp_path: Path) -> None:
    """Code location, UI and daemon see nothing of each other's disk. A backfill over GraphQL runs in the code location,
    and fills the tables."""
    pipeline = make_pipeline(days=2, calls_per_day=5)
    with running_object_store() as store:
        services = Services(tmp_path, pipeline, store.environment())
        services.configure(read_settings("image", services.home))
        with services.running():
            identity = services.interface.launch(TABLES, list(pipeline.days()))
            backfill = services.interface.wait_for_backfill(identity)
            assert backfill["status"] == "COMPLETED_SUCCESS", backfill
            assert set(services.interface.run_statuses(identity)) == {"SUCCESS"}
            assert psutil.Process(services.pods["code"].process.pid).cpu_times().children_user > 0  # its ended runs
    assert not list(services.home.iterdir())  # nothing was written outside of the file systems of the processes
    stored = {row["call_id"] for row in pipeline.query("SELECT call_id FROM copilot.transcripts")}
    assert stored == {call["call_id"] for call in pipeline.sandbox.truth() if is_transcribed(call)}
