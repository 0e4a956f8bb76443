"""Scoring again on purpose: what it costs, said first, and then done once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from copilot_pipeline.clients.semarize import Kit
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.state.rescores import RescoreRequest, Rescores


@dataclass(frozen=True, slots=True)
class RescorePrice:
    """Runs that would be paid for again, by kit."""

    by_kit: dict[str, int]
    goes_on: bool = False  # an order that was cut off is continued: these are what is left of it

    @property
    def runs(self) -> int:
        """All of them."""
        return sum(self.by_kit.values())

    def in_words(self) -> str:
        """`312 Semarize runs are paid for again: 156 with coaching, 156 with meddicc`."""
        if not self.runs:
            return "nothing is paid for again: no run of these days and kits is at its end"
        kits = ", ".join(f"{count:,} with {kit}" for kit, count in self.by_kit.items())
        rest = " (what is left of an order that was cut off)" if self.goes_on else ""
        return f"{self.runs:,} Semarize run{'s are' if self.runs > 1 else ' is'} paid for again{rest}: {kits}"


class RescoreService:
    """Orders to score again."""

    def __init__(self, orders: Rescores, kits: Sequence[Kit]) -> None:
        self._orders = orders
        self._kits = kits

    def chosen(self, names: Sequence[str]) -> list[tuple[str, str]]:
        """(name, reference) of kits by our names; all where none is named. Raises `ConfigurationError`."""
        unknown = sorted(set(names) - {kit.name for kit in self._kits})
        if unknown or not self._kits:
            known = ", ".join(kit.name for kit in self._kits) or "none"
            raise ConfigurationError(f"there is no kit {', '.join(unknown) or 'at all'} in pipeline.yaml: {known}")
        return [(kit.name, kit.reference) for kit in self._kits if kit.name in names or not names]

    def cost(self, wanted: RescoreRequest, name: str | None = None) -> RescorePrice:
        """What an order would cost, or what is left of one that was cut off."""
        order = self._orders.unfinished(name or wanted.name)
        return RescorePrice(self._orders.cost(wanted, order), order is not None)

    def begin(self, wanted: RescoreRequest, name: str | None = None) -> int:
        """Orders it: the next scoring of these days pays for the runs. Begun again after a death, it goes on."""
        return self._orders.start(wanted, name or wanted.name)

    def finish(self, order: int) -> None:
        """All of the order is scored: the same wish is a new order from now on."""
        self._orders.finish(order)
