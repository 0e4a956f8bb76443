"""What the reps of a company with a history do differently: the effects that the marts should find."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Habits:
    """How one rep sells. Shares are between 0 and 1."""

    talk_share: float = 0.45
    talk_share_lost: float = 0.46  # on calls of deals that will be lost
    handles: float = 0.92  # share of the objections that are answered
    worse_from: float = 2.0  # share of the days after which objections are answered as in `handles_later`
    handles_later: float = 0.92
    covers: float = 0.75  # chance that a call brings up an element that the deal covers, on the first day
    covers_last: float = 0.75  # … on the last day
    next_steps: float = 0.6
    long_speeches: float = 0.1  # chance that a call has one
    flagged: float = 0.05  # chance of each kind of wrong claim


HABITS = (
    Habits(handles=0.94, worse_from=0.84, handles_later=0.06, talk_share=0.48),  # a regression
    Habits(covers=0.9, covers_last=0.2, next_steps=0.4),  # falling coverage
    Habits(talk_share=0.42, talk_share_lost=0.63, long_speeches=0.8),  # talks more where deals are lost
    Habits(next_steps=0.9, talk_share=0.38, talk_share_lost=0.4),
    Habits(flagged=0.22),  # claims to correct
    Habits(talk_share=0.55, talk_share_lost=0.56, next_steps=0.3),
)


def habits_of(number: int) -> Habits:
    """The habits of a rep by number among the sellers."""
    return HABITS[number % len(HABITS)]
