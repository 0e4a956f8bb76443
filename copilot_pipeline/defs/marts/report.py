"""weekly_report: what the answers say, as one HTML file in the lake."""

import dagster as dg

from copilot_pipeline.defs.partitions import OWNERS
from copilot_pipeline.load.tables import CALLS, MART_TABLES
from copilot_pipeline.runtime import Runtime

WEEKLY_REPORT = "weekly_report"


@dg.asset(
    name=WEEKLY_REPORT,
    deps=[CALLS.name, *(table.name for table in MART_TABLES)],
    group_name="answers",
    owners=OWNERS,
    kinds={"html"},
    description="The report on the last finished week: one HTML file that needs no network.",
)
def weekly_report(runtime: dg.ResourceParam[Runtime]) -> dg.MaterializeResult[None]:
    """One file a week; made anew, it replaces that week's."""
    from copilot_pipeline.report import headlines, render

    report = runtime.reading().report(runtime.today)
    page = render(report).encode()
    where = runtime.lake.replace_file(f"reports/week-of-{report.week.isoformat()}.html", page)
    return dg.MaterializeResult(
        metadata={
            "file": dg.MetadataValue.path(where),
            "week": report.week.isoformat(),
            "what_changed": dg.MetadataValue.md("\n".join(f"- {line}" for line in headlines(report))),
            "bytes": len(page),
        }
    )
