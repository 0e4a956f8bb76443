"""The answers: marts made anew from the scores, every day. Thin: which tables, which step, what to show."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from copilot_pipeline.defs.partitions import spec
from copilot_pipeline.load.tables import (
    CLAIM_ACCURACY,
    CLAIMS,
    COACHING_REGRESSIONS,
    COACHING_SCORES,
    DEAL_INSPECTION,
    DEAL_SIGNALS,
    DEALS,
    EVIDENCE,
    MEDDICC_COVERAGE,
    MEDDICC_OUTCOMES,
    MEDDICC_SUMMARY,
    MESSAGE_ADOPTION,
    SEMARIZE_SCORES,
    USERS,
    UTTERANCES,
    WIN_LOSS_CONCLUSION,
    WIN_LOSS_DRIVERS,
    Table,
)
from copilot_pipeline.runtime import Runtime

if TYPE_CHECKING:
    from copilot_pipeline.marts.build import MartBuilder

_SCORES = (SEMARIZE_SCORES.name, EVIDENCE.name)


Facts = dict[str, Any]
Made = tuple[dict[str, int], dict[str, Facts]]  # rows by table, and what else to show by table


def _answers(
    name: str, tables: Sequence[Table], deps: Sequence[str], make: "Callable[[Runtime, MartBuilder], Made]"
) -> dg.AssetsDefinition:
    specs = [
        spec(table, group="answers", kinds=["parquet", "postgres"], deps=deps, partitioned=False) for table in tables
    ]

    @dg.multi_asset(name=name, specs=specs)
    def answers(runtime: dg.ResourceParam[Runtime]) -> Iterator[dg.MaterializeResult[None]]:
        from copilot_pipeline.report import preview  # matplotlib and scipy: only where there is something to draw

        rows, facts = make(runtime, runtime.answering())
        for table in tables:
            shown: Facts = {"dagster/row_count": rows[table.name], **facts.get(table.name, {})}
            picture = preview(runtime.reading(), table.name, runtime.today)
            if picture is not None:
                shown["picture"] = dg.MetadataValue.md(picture)
            yield dg.MaterializeResult(asset_key=table.name, metadata=shown)

    return answers


def _meddicc(runtime: Runtime, answering: "MartBuilder") -> Made:
    return answering.build_meddicc(), {}


def _coaching(runtime: Runtime, answering: "MartBuilder") -> Made:
    rows, slides = answering.build_coaching()
    told = runtime.outgoing.send_regression_alerts(slides)
    return rows, {
        COACHING_REGRESSIONS.name: {"slides_not_over": sum(not slide.is_over for slide in slides), "told": told}
    }


def _claims(runtime: Runtime, answering: "MartBuilder") -> Made:
    return answering.build_claims(), {}


def _win_loss(runtime: Runtime, answering: "MartBuilder") -> Made:
    rows, found = answering.build_win_loss()
    return rows, {WIN_LOSS_CONCLUSION.name: {"conclusion": found.conclusion}}


def _open_deals(runtime: Runtime, answering: "MartBuilder") -> Made:
    return answering.build_open_deals(), {}


meddicc = _answers(
    "meddicc", (MEDDICC_COVERAGE, MEDDICC_SUMMARY, MEDDICC_OUTCOMES), (*_SCORES, DEALS.name, USERS.name), _meddicc
)
coaching = _answers("coaching", (COACHING_SCORES, COACHING_REGRESSIONS), (*_SCORES, USERS.name), _coaching)
claim_verification = _answers(
    "claim_verification", (CLAIMS, CLAIM_ACCURACY, MESSAGE_ADOPTION), (*_SCORES, UTTERANCES.name), _claims
)
win_loss = _answers("win_loss", (WIN_LOSS_DRIVERS, WIN_LOSS_CONCLUSION), (*_SCORES, DEALS.name), _win_loss)
open_deals = _answers(
    "open_deals", (DEAL_SIGNALS, DEAL_INSPECTION), (*_SCORES, DEALS.name, MEDDICC_SUMMARY.name), _open_deals
)

ALL_ANSWERS = [meddicc, coaching, claim_verification, win_loss, open_deals]
