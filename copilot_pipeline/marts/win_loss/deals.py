"""Deals as arrays: which conditions hold, who won, and what is adjusted for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from copilot_pipeline.marts.win_loss.conditions import Condition, Mask
from copilot_pipeline.marts.win_loss.saddlepoint import Floats

Conjunction = tuple[int, ...]  # indexes of its conditions, ascending
Indexes = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Deals:
    """Some closed deals. Rows of `holds`, `known` and `exposure` are conditions, columns are deals."""

    conditions: Sequence[Condition]
    holds: Mask
    known: Mask
    exposure: Floats
    won: Mask
    covariates: Floats  # a row per deal
    accounts: Indexes  # the number of each deal's account
    of_all: int  # number of deals that these are part of
    cells: Indexes | None = None  # the number of each deal's rep and segment together; None: each deal is alone
    stages: Indexes | None = None  # the number of each deal's last stage before the close; None: not to be compared

    @classmethod
    def of(
        cls,
        conditions: Sequence[Condition],
        won: Mask,
        covariates: Floats,
        accounts: Indexes | None = None,
        stages: Indexes | None = None,
        cells: Indexes | None = None,
    ) -> Deals:
        """Return all deals. Without accounts, each deal has its own."""
        shape = (len(conditions), len(won))
        return cls(
            conditions=conditions,
            holds=np.array([one.holds for one in conditions], dtype=np.bool_).reshape(shape),
            known=np.array([one.known for one in conditions], dtype=np.bool_).reshape(shape),
            exposure=np.array([one.exposure for one in conditions], dtype=np.float64).reshape(shape),
            won=won,
            covariates=covariates,
            accounts=np.arange(len(won)) if accounts is None else accounts,
            of_all=len(won),
            stages=stages,
            cells=cells,
        )

    def part_of(self, chosen: Mask) -> Deals:
        """Return some of the deals."""
        return Deals(
            conditions=self.conditions,
            holds=self.holds[:, chosen],
            known=self.known[:, chosen],
            exposure=self.exposure[:, chosen],
            won=self.won[chosen],
            covariates=self.covariates[chosen],
            accounts=self.accounts[chosen],
            of_all=self.of_all,
            stages=None if self.stages is None else self.stages[chosen],
        )

    def counts(self, chosen: Mask) -> tuple[Indexes, Indexes]:
        """Return the deals and the won deals in each row."""
        return np.count_nonzero(chosen, axis=1), np.count_nonzero(chosen & self.won, axis=1)

    def exposure_of(self, indexes: Indexes) -> Floats:
        """Return the chance of each deal to meet each conjunction by its numbers of answered calls."""
        together: Floats = self.exposure[indexes[:, 0]].copy()
        for column in range(1, indexes.shape[1]):
            together *= self.exposure[indexes[:, column]]
        return together

    def part(self, indexes: Indexes, omitted: int) -> Mask:
        """Return the deals for which the other conditions of each conjunction hold."""
        return all_of(self.holds, np.delete(indexes, omitted, axis=1))


def all_of(rows: Mask, indexes: Indexes) -> Mask:
    """Return the conjunction of the rows at each line of indexes."""
    together: Mask = rows[indexes[:, 0]]
    for column in range(1, indexes.shape[1]):
        together = together & rows[indexes[:, column]]
    return together
