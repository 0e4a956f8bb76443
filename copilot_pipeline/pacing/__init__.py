"""One pace and one weekly budget for the whole workspace, held in PostgreSQL."""

from copilot_pipeline.pacing.gate import SharedGate, Week, week_of

__all__ = ["SharedGate", "Week", "week_of"]
