"""A wrong kit code after a good run: nothing disappears, and it is said once."""

from __future__ import annotations

from copilot_pipeline_tests.end_to_end.conftest import MakePipeline
from copilot_pipeline_tests.end_to_end.pipeline import KITS

SCORE_ASSETS = "semarize_runs,semarize_scores,evidence"


def test_a_wrong_kit_code_keeps_the_scores_and_is_reported_once(make_pipeline: MakePipeline) -> None:
    """Rows of both stores stay, one request is sent, one sentence is printed, and the exit code is not 0; also if the
    score tables alone were rebuilt before."""
    pipeline = make_pipeline(days=3)
    pipeline.run()
    before, in_lake = pipeline.tables()["semarize_scores"], len(pipeline.parquet("semarize_scores"))
    assert before
    assert in_lake == len(before)
    runs = len(pipeline.query("SELECT * FROM copilot.semarize_runs WHERE kit = 'coaching' AND status = 'succeeded'"))
    sent = pipeline.sandbox.stats()["semarize_requests"]["POST /v1/runs"]
    config = pipeline.home / "pipeline.yaml"

    config.write_text(KITS.replace("C0AC4123", "C0AC4124"))
    pipeline.run("--assets", "semarize_scores,evidence")
    assert pipeline.tables()["semarize_scores"] == before
    result = pipeline.run(expect=1)
    assert pipeline.tables()["semarize_scores"] == before
    assert len(pipeline.parquet("semarize_scores")) == in_lake
    assert result["complete"] is False
    assert pipeline.sandbox.stats()["semarize_requests"]["POST /v1/runs"] == sent + 1

    first, last = pipeline.days()
    code, output = pipeline.run_and_kill(10**9, "runs_created", "--assets", SCORE_ASSETS)
    assert code == 1
    lines = [line for line in output.splitlines() if "not done: " in line]
    sentence = " ".join(output.split())
    assert len(lines) == 1, output
    assert (
        f"not done: kit coaching: kit_not_found ({runs} calls of 3 days, {first} to {last}): publish C0AC4124"
        in sentence
    )
    assert "`kits.coaching.code` in pipeline.yaml, line 3" in sentence
    assert pipeline.tables()["semarize_scores"] == before

    config.write_text(KITS)
    assert pipeline.run()["complete"] is True
    assert pipeline.tables()["semarize_scores"] == before
