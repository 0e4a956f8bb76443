"""The table of conversation metrics against the outcome of deals."""

from __future__ import annotations

from copilot_pipeline.load.tables.model import Table, boolean, identifier, integer, long_text, number, text

CONVERSATION_OUTCOMES = Table(
    "conversation_outcomes",
    "Conversation metrics of won and lost deals, over all reps and by rep: the raw difference, and the difference "
    "between deals of equal exposure.",
    ("grain", "grain_id", "metric"),
    (
        identifier("grain", "all or rep.", required=True),
        identifier("grain_id", "Rep id (the rep of most calls of the deal), or `all`.", required=True),
        identifier(
            "metric",
            "talk_share (own share of the call's rep, 0 to 1), longest_monologue_s (seconds), rep_questions_per_hour, "
            "or prospect_questions_per_hour (per hour of the call).",
            required=True,
        ),
        text("grain_name", "Name of the rep."),
        integer("n", "Number of closed deals with the metric on a call before the close.", required=True),
        integer("won", "Number of these deals that were won.", required=True),
        integer("lost", "Number of these deals that were lost.", required=True),
        integer("calls", "Number of their calls before the close: the exposure.", required=True),
        number("mean_won", "Mean over won deals; each deal counts once, as the mean over its calls."),
        number("mean_lost", "Mean over lost deals."),
        number("difference", "mean_won minus mean_lost, not adjusted."),
        number(
            "adjusted_difference",
            "Difference between won and lost deals of the same rep with as many calls over as long a time; null if "
            "there are too few deals.",
        ),
        number("adjusted_low", "Lower end of its 95 % interval."),
        number("adjusted_high", "Upper end of its 95 % interval."),
        number("p_value", "P value of the adjusted difference, two-sided."),
        number("q_value", "p_value corrected for the number of reps (Benjamini-Hochberg)."),
        boolean("is_significant", "Whether q_value is at most 0.05.", required=True),
        long_text("sentence", "The result as a sentence.", required=True),
    ),
    partitioned=False,
)
