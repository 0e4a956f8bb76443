"""Build the step that makes the call tables, without a client: a process that rebuilds tables sends no request."""

from __future__ import annotations

from copilot_pipeline.config.loading import Settings
from copilot_pipeline.extract.deals import amount_convention
from copilot_pipeline.extract.reference import Reference
from copilot_pipeline.load.call_tables import CallTables
from copilot_pipeline.load.inputs import call_table_inputs
from copilot_pipeline.load.installation import accept_settings
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.privacy import private_columns
from copilot_pipeline.postgres import Database
from copilot_pipeline.privacy.redaction.policy import redaction_policy
from copilot_pipeline.privacy.redaction.redactor import Redactor
from copilot_pipeline.state import CallStore, SemarizeRunStore


def make_call_tables(settings: Settings, database: Database, lake: Lake, *, force: bool = False) -> CallTables:
    """The call tables, with the users as they were last read and the workspace's way of writing amounts.

    With `force`, days are rebuilt although they are up to date.
    """
    accept_settings(settings, database)
    lake = lake.hiding(private_columns(settings))
    directory = Reference(lake, database).user_directory()
    calls, runs = CallStore(database, settings.zone), SemarizeRunStore(database)
    policy = redaction_policy(settings)
    redactor = Redactor(policy) if policy is not None else None
    return CallTables(
        lake,
        database,
        calls,
        runs,
        directory,
        amount_convention(database),
        redactor,
        inputs=call_table_inputs(settings),
        force=force,
    )
