"""The company of the sandbox: people, customers and deals, from the seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

_FIRST = [
    "Dana",
    "Sam",
    "Priya",
    "Jonas",
    "Mei",
    "Omar",
    "Lucía",
    "Erik",
    "Aisha",
    "Tom",
    "Nadia",
    "Kofi",
    "Hanna",
    "Raj",
    "Zoë",
    "Björn",
]
_LAST = [
    "Ortiz",
    "Reed",
    "Patel",
    "Weber",
    "Lin",
    "Haddad",
    "Gómez",
    "Larsen",
    "Khan",
    "Baker",
    "Ivanova",
    "Mensah",
    "Fischer",
    "Mehta",
    "Laurent",
    "Åkesson",
]
ACCOUNTS = [
    "Northwind",
    "Globalia",
    "Brightwater",
    "Sundial",
    "Kestrel",
    "Meridian",
    "Foxglove",
    "Ironbark",
    "Lumen",
    "Pinecrest",
    "Quarry",
    "Redwood",
    "Saltbox",
    "Tidewater",
    "Umbra",
    "Vantage",
    "Westerly",
    "Yarrow",
    "Zephyr",
    "Alder",
    "Basalt",
    "Cobalt",
    "Dovetail",
    "Ember",
]
PRODUCTS = ("Platform", "Analytics", "Connect")
STAGES = ("Discovery", "Evaluation", "Proposal", "Negotiation")
REPS = 6


@dataclass(frozen=True, slots=True)
class Rep:
    """A user of the company."""

    user_id: str
    name: str
    email: str
    role: str
    manager_id: str | None
    regresses_from: float | None = None  # share of the days after which objection handling gets worse

    def item(self) -> dict[str, Any]:
        """The user in a response of `/users`; a top manager has no manager key."""
        item = {"id": self.user_id, "email": self.email, "name": self.name, "role": self.role, "is_recording": True}
        return item if self.manager_id is None else {**item, "manager_id": self.manager_id}


@dataclass(frozen=True, slots=True)
class Prospect:
    """A participant from a customer."""

    name: str
    email: str


@dataclass(slots=True)
class Deal:
    """A deal, and the facts that its calls mention."""

    deal_id: str
    copilot_id: str
    account: str
    account_id: str
    product: str
    amount: int
    rep: Rep
    prospects: list[Prospect]
    stage: str
    close_date: datetime
    created: datetime
    budget_confirmed: bool
    decision_maker_present: bool
    deep_discovery: bool
    covered: frozenset[str]  # MEDDICC elements that its calls mention
    history: list[dict[str, str]] = field(default_factory=list)
    close_date_changes: list[dict[str, str]] = field(default_factory=list)
    probability: str | None = None  # None: by the outcome
    forecast_category: str | None = None
    champion: str | None = None  # named in a field of the CRM

    @property
    def is_closed(self) -> bool:
        """Whether it is won or lost."""
        return self.stage.startswith("Closed")

    def stage_at(self, moment: datetime) -> str:
        """The stage at a time."""
        entered = [change["stage"] for change in self.history if change["date_changed"] <= zulu(moment)]
        return entered[-1] if entered else STAGES[0]

    def body(self) -> dict[str, Any]:
        """The response of `/get-deal`; amount and probability are texts."""
        return {
            "id": self.copilot_id,
            "crm_id": self.deal_id,
            "owner_crm_id": f"005{self.rep.user_id[-2:].upper()}",
            "deal_name": f"{self.account} - {self.product}",
            "amount": f"${self.amount:,}.00" if self.amount % 2 else str(self.amount),
            "close_date": zulu(self.close_date),
            "created_date": zulu(self.created),
            "stage": self.stage,
            "probability": self.probability or {"Closed Won": "100", "Closed Lost": "0"}.get(self.stage, "40"),
            "forecast_category": self.forecast_category or ("Closed" if self.is_closed else "Pipeline"),
            "account_crm_id": self.account_id,
            "stage_change_history": self.history,
            "close_date_change_history": self.close_date_changes,
            "custom_fields": [{"name": "Champion", "value": self.champion}] if self.champion else [],
            "deal_reason": "No decision" if self.stage == "Closed Lost" else "",
        }


ELEMENTS = (
    "metrics",
    "economic_buyer",
    "decision_criteria",
    "decision_process",
    "identify_pain",
    "champion",
    "competition",
    "paper_process",
)


class Company:
    """Reps, and deals with their prospects."""

    def __init__(self, seed: int, first_day: date, days: int) -> None:
        rng = random.Random(f"{seed}:company")
        self.reps = _reps(rng)
        self.users = [rep.item() for rep in self.reps]  # the response of `/users`; a test may replace it
        first_instant = datetime.combine(first_day, time(), UTC)
        self.use([self._deal(rng, index, first_instant, days) for index in range(4 * len(ACCOUNTS))])
        self.planted: tuple[str, str] | None = None  # name and number of a person whom all records name

    @property
    def sellers(self) -> list[Rep]:
        """Users that take part in calls."""
        return [rep for rep in self.reps if rep.role == "REP"]

    def use(self, deals: list[Deal]) -> None:
        """Replace the deals."""
        self.deals = deals
        self._by_id = {deal.deal_id: deal for deal in deals}

    def deal(self, deal_id: str | None) -> Deal | None:
        """A deal by its CRM id."""
        return self._by_id.get(deal_id or "")

    def _deal(self, rng: random.Random, index: int, first_instant: datetime, days: int) -> Deal:
        account = ACCOUNTS[index % len(ACCOUNTS)]
        budget, decider, depth = rng.random() < 0.5, rng.random() < 0.5, rng.random() < 0.5
        # Deals with all three are won four times as often, which the win/loss analysis should find.
        wins = rng.random() < (0.9 if budget and decider and depth else 0.2)
        closed = index % 3 != 0
        created = first_instant - timedelta(days=rng.randint(20, 90))
        close = first_instant + timedelta(days=days + rng.randint(1, 30))
        stage = ("Closed Won" if wins else "Closed Lost") if closed else rng.choice(STAGES)
        people = [prospect_of(rng, account) for _ in range(rng.randint(1, 3))]
        return Deal(
            deal_id=f"006SBX{index:09d}",
            copilot_id=f"deal-{index:04d}",
            account=account,
            account_id=f"001SBX{index % len(ACCOUNTS):09d}",
            product=PRODUCTS[index % len(PRODUCTS)],
            amount=rng.randint(8, 240) * 1000 + index % 2,
            rep=rng.choice(self.sellers),
            prospects=people,
            stage=stage,
            close_date=close,
            created=created,
            budget_confirmed=budget,
            decision_maker_present=decider,
            deep_discovery=depth,
            covered=frozenset(name for name in ELEMENTS if rng.random() < (0.75 if wins else 0.4)),
            history=[
                {
                    "stage": stage,
                    "prev_stage": "Discovery",
                    "date_changed": zulu(first_instant + timedelta(days=days - 1)),
                }
            ],
        )


def zulu(moment: datetime) -> str:
    """A date-time in the format of the API."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _reps(rng: random.Random) -> list[Rep]:
    names = [f"{first} {last}" for first, last in zip(_FIRST, _LAST, strict=True)]
    rng.shuffle(names)
    director = _rep(names[0], 0, "MANAGER", None)
    managers = [_rep(names[1], 1, "MANAGER", director.user_id), _rep(names[2], 2, "MANAGER", director.user_id)]
    sellers = [
        _rep(
            names[3 + index], 3 + index, "REP", managers[index % 2].user_id, regresses_from=0.5 if index == 0 else None
        )
        for index in range(REPS)
    ]
    return [director, *managers, *sellers]


def _rep(name: str, index: int, role: str, manager_id: str | None, regresses_from: float | None = None) -> Rep:
    return Rep(f"u-{index:04d}", name, _email(name, "acme"), role, manager_id, regresses_from)


def prospect_of(rng: random.Random, account: str) -> Prospect:
    """A participant from an account."""
    name = f"{rng.choice(_FIRST)} {rng.choice(_LAST)}"
    return Prospect(name, _email(name, account.lower()))


def _email(name: str, domain: str) -> str:
    plain = name.lower().replace("í", "i").replace("ó", "o").replace("ë", "e").replace("ö", "o").replace("å", "a")
    return f"{plain.replace(' ', '.')}@{domain}.example"
