"""The documents of the made-up company, and the sentences of reps that contradict them."""

from __future__ import annotations

from dataclasses import dataclass

PRODUCT_FACTS, ROADMAP_POLICY, BATTLECARD = "Product Facts 2026", "Roadmap Policy", "Battlecard Globex"


@dataclass(frozen=True, slots=True)
class WrongClaim:
    """What a rep says, and what the document says about it."""

    said: str
    fact: str


@dataclass(frozen=True, slots=True)
class Document:
    """A document, with the claims of one kind that contradict it. The first is the usual one."""

    name: str
    claims: tuple[WrongClaim, ...]

    def reason(self, said: list[str]) -> str:
        """What a kit returns about the sentences of a call."""
        facts = [claim.fact for claim in self.claims if any(claim.said in line for line in said)]
        return " ".join(f"Contradicts {self.name}: {fact}" for fact in facts)


DOCUMENTS = {
    "inaccurate": Document(
        PRODUCT_FACTS,
        (
            WrongClaim(
                "It supports every database there is, without any set-up.",
                "it supports PostgreSQL and MySQL, others after set-up.",
            ),
            WrongClaim(
                "There is no limit on users in any plan, you can add the whole company.",
                "the plan Team has up to 50 users, only Enterprise has no limit.",
            ),
            WrongClaim(
                "It runs on premises as well, exactly the same product.",
                "it runs in the cloud only, in the EU or in the US.",
            ),
        ),
    ),
    "roadmap": Document(
        ROADMAP_POLICY,
        (
            WrongClaim(
                "Between us, the offline mode ships in March.",
                "the offline mode is not announced, no date is named.",
            ),
            WrongClaim(
                "The new forecast module comes out in the second quarter, you can plan with it.",
                "the forecast module is in development, no date is named.",
            ),
            WrongClaim(
                "Single sign-on for partners is done by summer, I promise.",
                "single sign-on for partners is under review, nothing is promised.",
            ),
        ),
    ),
    "outdated": Document(
        BATTLECARD,
        (
            WrongClaim("Globex has no mobile app at all.", "Globex has had a mobile app since May 2026."),
            WrongClaim("Globex cannot read from a warehouse.", "Globex has read from warehouses since version 9."),
            WrongClaim(
                "With Globex you would still need a consultant for every report.",
                "Globex has had a report builder for its users since 2025.",
            ),
        ),
    ),
}


def usual(kind: str) -> str:
    """The usual wrong claim of a kind."""
    return DOCUMENTS[kind].claims[0].said


def variants(kind: str) -> tuple[str, ...]:
    """The other wrong claims of a kind."""
    return tuple(claim.said for claim in DOCUMENTS[kind].claims[1:])
