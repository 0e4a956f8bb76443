"""Lines of the sandbox's calls: small talk, and signals that the kits detect."""

from __future__ import annotations

import random

from copilot_pipeline.sandbox.company import Company, Deal, Rep
from copilot_pipeline.sandbox.knowledge import DOCUMENTS, usual

REP, PROSPECT = 0, 1
_SMALL_TALK = (
    (REP, "Thanks for making time today, {prospect}."),
    (PROSPECT, "Sure. We have until a quarter to."),
    (REP, "I have three things on my list, and I would like to hear yours first."),
    (PROSPECT, "Our team at {account} looked at {product} last week."),
    (REP, "What did they like, and what got in the way?"),
    (PROSPECT, "The dashboards are clear. The import took longer than we hoped."),
    (REP, "How do you do that today?"),
    (PROSPECT, "With a spreadsheet, and with a lot of patience."),
    (REP, "And who looks at the numbers afterwards?"),
    (PROSPECT, "Mostly the regional leads, on Mondays."),
    (REP, "That makes sense. Let me show you how others in your field do it."),
    (PROSPECT, "Can it read from our warehouse as it is?"),
    (REP, "It can. You give it a read-only role and it takes it from there."),
    (PROSPECT, "What does it cost for forty people?"),
    (REP, "The tiers are on the sheet I will send; forty people fall into the second one."),
    (PROSPECT, "And how long until we are live?"),
    (REP, "Two weeks is the usual, three if security wants a review."),
    (PROSPECT, "Security always wants a review."),
)
# Lines that the kits of `scoring` detect, by the name of the signal.
SIGNALS: dict[str, tuple[int, str]] = {
    "risk": (PROSPECT, "I would have to ask finance first, and honestly the timing is difficult."),
    "budget": (PROSPECT, "The budget is approved for this quarter."),
    "decider": (PROSPECT, "I sign for this myself, so you have the right person here."),
    "depth": (REP, "What happens to the forecast when those numbers are late, and what does that cost you a month?"),
    "next_step": (REP, "Then let us put Thursday at ten in the calendar for the technical review."),
    "price": (PROSPECT, "It is more than we pay today, that is the one objection I hear."),
    "competitor": (PROSPECT, "We also talked to Globex; they were slow to deploy."),
    "handled": (REP, "I hear the concern. Which part of it weighs most, so that we can look at exactly that?"),
    "brushed_off": (REP, "Everybody says that at first. Anyway, moving on."),
    "value": (REP, "For a team of your size that is about eleven hours a week you get back."),
    "metrics": (PROSPECT, "We want to cut the reporting time by thirty percent this year."),
    "economic_buyer": (PROSPECT, "Our chief financial officer decides what is bought here."),
    "decision_criteria": (
        PROSPECT,
        "It has to read our warehouse and pass the security review; that is what we decide on.",
    ),
    "decision_process": (PROSPECT, "First a pilot, then the committee, then procurement; that is how we decide."),
    "identify_pain": (PROSPECT, "The pain is that nobody trusts the forecast."),
    "champion": (PROSPECT, "I will take this to the board myself, I want it to happen."),
    "competition": (PROSPECT, "Initech is in the running as well."),
    "paper_process": (PROSPECT, "Legal needs two weeks for the paper, and then it is signed."),
    **{kind: (REP, usual(kind)) for kind in DOCUMENTS},
}


def turns(
    rng: random.Random, company: Company, deal: Deal | None, rep: Rep, progress: float, length: int
) -> list[tuple[int, str]]:
    """The lines of one call as (person id, text), in order.

    `progress` is its day as a share of all days.
    """
    prospect = deal.prospects[0].name.split()[0] if deal else "everybody"
    words = {
        "prospect": prospect,
        "account": deal.account if deal else "our side",
        "product": deal.product if deal else "it",
    }
    filler = max(0, length)
    start = rng.randrange(len(_SMALL_TALK))
    lines = [
        (who, text.format(**words))
        for who, text in (_SMALL_TALK[(start + n) % len(_SMALL_TALK)] for n in range(filler))
    ]
    for name in _signals(rng, deal, rep, progress):
        lines.insert(rng.randint(0, len(lines)), SIGNALS[name])
    return lines


def _signals(rng: random.Random, deal: Deal | None, rep: Rep, progress: float) -> list[str]:
    signals = ["risk"] if rng.random() < 0.15 else []
    if deal is not None:
        signals += ["budget"] if deal.budget_confirmed else []
        signals += ["decider"] if deal.decision_maker_present else []
        signals += ["depth"] if deal.deep_discovery else []
        signals += sorted(deal.covered)
    regresses = rep.regresses_from is not None and progress >= rep.regresses_from
    signals += ["brushed_off"] * 3 if regresses else ["handled"] * rng.randint(1, 3)
    for name, share in (("next_step", 0.6), ("price", 0.4), ("competitor", 0.3), ("value", 0.5)):
        signals += [name] if rng.random() < share else []
    for name, share in (("inaccurate", 0.06), ("roadmap", 0.04), ("outdated", 0.05)):
        signals += [name] if rng.random() < share else []
    return signals
