"""Score transcripts again: state the cost first, then replace each run once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from copilot_pipeline.clients.semarize import Kit
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.state.rescores import RescoreRequest, Rescores


@dataclass(frozen=True, slots=True)
class RescoreCost:
    """The runs that a rescore request would pay for again, by kit."""

    by_kit: dict[str, int]
    is_resumed: bool = False  # an interrupted request continues: these are its remaining runs

    @property
    def runs(self) -> int:
        """The number of runs of all kits."""
        return sum(self.by_kit.values())

    def describe(self) -> str:
        """Return `312 Semarize runs are paid for again: 156 with coaching, …`."""
        if not self.runs:
            return "nothing is paid for again: these days and kits have no finished run"
        kits = ", ".join(f"{count:,} with {kit}" for kit, count in self.by_kit.items())
        remaining = " (the rest of an interrupted request)" if self.is_resumed else ""
        return f"{self.runs:,} Semarize run{'s are' if self.runs > 1 else ' is'} paid for again{remaining}: {kits}"


class RescoreService:
    """Starts and finishes rescore requests."""

    def __init__(self, rescores: Rescores, kits: Sequence[Kit], redaction: str = "") -> None:
        self._rescores = rescores
        self._kits = kits
        self.redaction = redaction  # fingerprint of the present policy, empty without one

    def select_kits(self, names: Sequence[str]) -> list[tuple[str, str]]:
        """Return (name, reference) of the named kits, of all kits if no name is given.

        Raises `ConfigurationError` for an unknown name.
        """
        unknown = sorted(set(names) - {kit.name for kit in self._kits})
        if unknown or not self._kits:
            configured = ", ".join(kit.name for kit in self._kits) or "none"
            raise ConfigurationError(
                f"Unknown kit: {', '.join(unknown)}. Kits in pipeline.yaml: {configured}"
                if unknown
                else "pipeline.yaml has no kits to score with"
            )
        return [(kit.name, kit.reference) for kit in self._kits if kit.name in names or not names]

    def cost(self, request: RescoreRequest, name: str | None = None) -> RescoreCost:
        """Return the cost of a request, or of the rest of an interrupted one."""
        rescore_id = self._rescores.unfinished(name or request.name)
        return RescoreCost(self._rescores.cost(request, rescore_id), rescore_id is not None)

    def other_redaction(self, first: date, last: date) -> RescoreCost:
        """Return the cost of scoring again what was scored with another redaction. Nothing does it unasked."""
        names = [kit.name for kit in self._kits]
        return RescoreCost(self._rescores.results_of_other_redaction(first, last, names, self.redaction))

    def start(self, request: RescoreRequest, name: str | None = None) -> int:
        """Mark the runs as wanted again; the next scoring of these days pays for them.

        Resumes after a crash. Raises `ConfigurationError` if stored transcripts have another redaction than the present
        one: they would not be sent.
        """
        outdated = self._rescores.texts_of_other_redaction(request.first, request.last, self.redaction)
        if outdated:
            raise ConfigurationError(
                f"{outdated:,} transcripts of these days were stored before privacy.redact was changed. Build them "
                f"first, which costs nothing: copilot-pipeline run --from {request.first} --to {request.last} --assets "
                "calls,participants,transcripts,utterances"
            )
        return self._rescores.start(request, name or request.name)

    def finish(self, rescore_id: int) -> None:
        """Finish a request after its runs were scored.

        The same request made again is a new one.
        """
        self._rescores.finish(rescore_id)
