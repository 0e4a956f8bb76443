"""All asset checks, and their evaluation outside of check steps: in the run that logs materializations itself."""

import time
from collections.abc import Iterable, Mapping
from typing import Any, cast

import dagster as dg
import psycopg

from copilot_pipeline.defs.calls.checks import CALL_CHECKS
from copilot_pipeline.defs.crm.checks import CRM_CHECKS
from copilot_pipeline.defs.marts.checks import MART_CHECKS
from copilot_pipeline.defs.privacy.checks import PRIVACY_CHECKS
from copilot_pipeline.defs.scores.checks import SCORE_CHECKS
from copilot_pipeline.errors import PipelineError

CHECKS = (*CALL_CHECKS, *CRM_CHECKS, *SCORE_CHECKS, *MART_CHECKS, *PRIVACY_CHECKS)
EVALUATE_EVERY_SECONDS = 60.0


class CheckEvaluations:
    """Evaluates the checks of materialized tables, and logs the results as those of the present run.

    Without it, Dagster shows no result for a table that was materialized by a run without check steps. The checks of a
    table are evaluated after its first materialization in the run, then at most once a minute, and finally at the end
    of the run: each is a query of thirty days.
    """

    def __init__(self, context: dg.OpExecutionContext, resources: Mapping[str, Any]) -> None:
        """`resources` by name, as the checks require them."""
        self._context = context
        self._resources = resources
        self._due: set[str] = set()
        self._evaluated_at: dict[str, float] = {}

    def add(self, tables: Iterable[str]) -> None:
        """Note that tables were materialized, and evaluate the checks that are due."""
        self._due.update(tables)
        now = time.monotonic()
        for table in sorted(self._due):
            if now - self._evaluated_at.get(table, -EVALUATE_EVERY_SECONDS) >= EVALUATE_EVERY_SECONDS:
                self._evaluate(table)

    def finish(self) -> None:
        """Evaluate the checks of all tables that were materialized since their last evaluation."""
        for table in sorted(self._due):
            self._evaluate(table)

    def _evaluate(self, table: str) -> None:
        self._due.discard(table)
        self._evaluated_at[table] = time.monotonic()
        for check in CHECKS:
            if check.check_key.asset_key == dg.AssetKey(table):
                self._log(check)

    def _log(self, check: dg.AssetChecksDefinition) -> None:
        needed = {name: one for name, one in self._resources.items() if name in check.required_resource_keys}
        try:
            result = cast(dg.AssetCheckResult, check(**needed))
        except (PipelineError, psycopg.Error) as error:  # it does not stop the run, and the next one repeats it
            self._context.log.warning(f"The check {check.check_key.name} could not be evaluated: {error}")
            return
        evaluation = dg.AssetCheckEvaluation(
            asset_key=check.check_key.asset_key,
            check_name=check.check_key.name,
            passed=result.passed,
            metadata=result.metadata,
            severity=result.severity,
        )
        step = self._context.get_step_execution_context()
        self._context.instance.report_dagster_event(
            dg.DagsterEvent.asset_check_evaluation(step, evaluation), self._context.run_id
        )
