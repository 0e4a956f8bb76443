"""What is said on the calls of a company with a history: varied sentences, and the topics that they belong to."""

from __future__ import annotations

import random
from typing import Any

from copilot_pipeline.sandbox.call import Call
from copilot_pipeline.sandbox.dialogue import PROSPECT, REP, SIGNALS
from copilot_pipeline.sandbox.history import PlannedCall
from copilot_pipeline.sandbox.knowledge import DOCUMENTS, variants

# Other ways to say what a kit detects; none is part of another.
VARIANTS: dict[str, tuple[str, ...]] = {
    "risk": (
        "Our fiscal year ends in a month, so this may slip to the next one.",
        "There is a freeze on new contracts, and no one could tell me until when.",
        "I am not sure the committee still wants this after the reorganisation.",
        "We have to cut spending by a fifth, and new tools are first on the list.",
    ),
    "budget": (
        "Finance has set the money aside already.",
        "We have a line for this in the plan, up to the figure you named.",
        "The funds are released, that part is done.",
    ),
    "decider": (
        "It is my signature that this needs, so ask me anything.",
        "I own this decision, the others advise me.",
        "As head of operations I can approve this on my own.",
    ),
    "depth": (
        "Walk me through the last time that went wrong: who noticed, and what did it cost you?",
        "If nothing changes until spring, what happens to the plan of your team?",
        "You said it takes two days; what would your people do with those two days?",
    ),
    "next_step": (
        "I will send an invitation for Tuesday at nine, with your architect.",
        "Let us agree on the pilot plan on Friday, same time.",
        "Can we meet with your security team next Wednesday? I will book it now.",
    ),
    "price": (
        "Honestly, the price is above what we had in mind.",
        "The other offer costs a third less, how do you explain that?",
        "I will have a hard time with that price per seat.",
    ),
    "competitor": (
        "Globex showed us something similar last week.",
        "We use Globex in two offices today.",
        "My colleague prefers Globex, because she knows it.",
    ),
    "handled": (
        "That is fair. Let us compare it line by line with what you pay today, all costs included.",
        "I understand. Two customers of your size had the same doubt; may I tell you what they found?",
        "Good that you say it. What would you have to see to be comfortable with it?",
    ),
    "brushed_off": (
        "That will not be a problem. Let us go on.",
        "I would not worry about that now. Let me go on with the demo.",
        "Well, that is how it is priced. Shall we look at the dashboards?",
    ),
    "value": (
        "Your regional leads would have their numbers on Friday instead of Monday.",
        "At your volume it pays for itself in seven months.",
        "That is one hire that you do not have to make next year.",
    ),
    "metrics": (
        "Success for us is ten percent more forecast accuracy by June.",
        "If onboarding takes four weeks instead of eight, it was worth it.",
    ),
    "economic_buyer": (
        "In the end our managing director releases sums of that size.",
        "Everything above fifty thousand goes to our chief operating officer.",
    ),
    "decision_criteria": (
        "We compare three things: data residency, effort to run it, and the price.",
        "Without single sign-on it will not pass our review.",
    ),
    "decision_process": (
        "The steering group meets on the first Monday of the month and votes.",
        "My team recommends, legal checks, and then the board decides.",
    ),
    "identify_pain": (
        "Every quarter we spend a week on numbers that are wrong anyway.",
        "We lost two customers because no one saw it coming.",
    ),
    "champion": (
        "The whole management team has heard from me that we need this.",
        "Count on me, I will get the others on board.",
    ),
    "competition": (
        "We also have an offer from Initech on the table.",
        "Initech comes in on Thursday for their second demo.",
    ),
    "paper_process": (
        "Procurement wants the contract on our paper, that takes ten days.",
        "The data processing agreement goes to legal first, then to purchasing.",
    ),
    **{kind: variants(kind) for kind in DOCUMENTS},
}

_TALK: tuple[tuple[int, str], ...] = (
    (REP, "Thanks for making time today, {prospect}."),
    (PROSPECT, "Sure. We have until a quarter to {hour}."),
    (REP, "I have three things on my list, and I would like to hear yours first."),
    (PROSPECT, "Our team at {account} looked at {product} last {weekday}."),
    (REP, "What did they like, and what got in the way?"),
    (PROSPECT, "The dashboards are clear. The set-up took {number} hours, longer than we hoped."),
    (REP, "How do you do that today?"),
    (PROSPECT, "With a spreadsheet of {number} tabs, and with a lot of care."),
    (REP, "And who looks at the numbers afterwards?"),
    (PROSPECT, "Mostly the regional leads, on {weekday}s."),
    (REP, "That makes sense. Let me show you how others in your field do it."),
    (PROSPECT, "Yes, please. We have seen {number} tools this year."),
    (REP, "Let me share my screen. Can you see the account view?"),
    (PROSPECT, "Yes. Could you make it a little larger?"),
    (REP, "Here you see all calls of the last {number} weeks, by rep."),
    (PROSPECT, "Is that updated every night, or as it happens?"),
    (REP, "As it happens, within minutes."),
    (PROSPECT, "We have {number} managers who would use that every {weekday}."),
    (REP, "What would they stop doing if they had it?"),
    (PROSPECT, "They would stop asking for presentations."),
    (REP, "Who else at {account} should see this before you decide?"),
    (PROSPECT, "{prospect} and I will talk to them in {number} days."),
    (REP, "May I ask what your last roll-out looked like?"),
    (PROSPECT, "One region first, then the other {number}."),
)
# Short exchanges on a topic, each on some calls.
_EXCHANGES: tuple[tuple[float, tuple[tuple[int, str], ...]], ...] = (
    (
        0.45,
        (
            (PROSPECT, "What does it cost for {number}0 people?"),
            (REP, "The tiers are on the sheet I will send; {number}0 people fall into the second one."),
        ),
    ),
    (
        0.35,
        (
            (PROSPECT, "And how long until we are live?"),
            (REP, "{number} weeks is the usual, and we have done it in two."),
        ),
    ),
    (
        0.3,
        (
            (REP, "Does anything have to be checked before we begin?"),
            (PROSPECT, "Security always wants a review, that is {number} days."),
        ),
    ),
    (
        0.4,
        (
            (PROSPECT, "Can it read from our warehouse as it is?"),
            (REP, "It can. You give it a read-only role and it takes it from there."),
        ),
    ),
)
_TOPICS = {
    "Pricing": ("does it cost", "price", "tiers"),
    "Security review": ("security", "data residency"),
    "Integration": ("warehouse", "single sign-on"),
    "Timeline": ("until we are live", "weeks is the usual", "fiscal year"),
    "Contract": ("legal", "procurement", "contract"),
}
_SPEECH = (
    "Let me tell you how we came to build this. When we began, every team that we met had the same folder of exports, "
    "one for each week, and one person who knew how they belonged together. That person went on holiday, and for two "
    "weeks no one could say how the quarter was going. So the first thing we made was a table that fills itself. Then "
    "people asked why a figure had moved, so we kept each day. Then managers asked what was said in meetings, so we "
    "added the conversations, and now you see all of it on one page, with the sentence and the minute."
)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday")


def planned_turns(rng: random.Random, plan: PlannedCall, length: int) -> list[tuple[int, str]]:
    """The lines of a planned call as (person id, text), in order."""
    deal = plan.deal
    words = {"prospect": deal.prospects[0].name.split()[0], "account": deal.account, "product": deal.product}
    start = rng.randrange(len(_TALK) // 2) * 2
    spoken = [
        line for number in range(length) if rng.random() < _kept(line := _TALK[(start + number) % len(_TALK)], plan)
    ]
    if rng.random() < plan.habits.long_speeches:
        spoken.insert(rng.randint(0, len(spoken)), (REP, _SPEECH))
    for chance, exchange in _EXCHANGES:
        if rng.random() < chance:
            place = rng.randint(0, len(spoken))
            spoken[place:place] = exchange
    lines = [
        (who, text.format(**words, number=rng.randint(2, 9), hour=rng.randint(2, 5), weekday=rng.choice(_WEEKDAYS)))
        for who, text in spoken
    ]
    for name in plan.signals:
        who, usual = SIGNALS[name]
        lines.insert(rng.randint(0, len(lines)), (who, rng.choice((usual, *VARIANTS.get(name, ())))))
    return lines


def _kept(line: tuple[int, str], plan: PlannedCall) -> float:
    """Return the chance of a line of small talk: the rep's share of the speech comes from what is left out."""
    share = plan.talk_share
    return min(1.0, share / (1 - share)) if line[0] == REP else min(1.0, (1 - share) / share)


def topics_in(call: Call, turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The topics of a call with their phrases and times, in the shape of `metrics.categories`."""
    found = []
    for topic, phrases in _TOPICS.items():
        matched = [
            {"text": phrase.strip(), "user_id": call.rep.user_id, "name": call.rep.name, "time": turn["start"]}
            for turn in turns
            for phrase in phrases
            if phrase in turn["text"].lower()
        ]
        if matched:
            found.append({"name": topic, "occurences": len(matched), "phrases_matched": matched, "ai_detected": False})
    return found
