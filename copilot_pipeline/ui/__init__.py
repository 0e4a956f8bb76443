"""What stands before the Dagster UI, which has no login: a guard against pages of other sites.

guard     the ASGI middleware: which requests are refused, and why
hosts     the names under which the UI may be reached
queries   GraphQL in the address of a request
"""

from copilot_pipeline.ui.guard import UiGuard

__all__ = ["UiGuard"]
