"""Claim verification: what was flagged, where it was said, against which document, and how often reps are accurate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from copilot_pipeline.config.bricks import BrickRef
from copilot_pipeline.config.marts import ClaimSettings
from copilot_pipeline.marts.intervals import share_of
from copilot_pipeline.marts.model import BrickAnswer, BrickKey, Quote, ScoredCall, Value, items_of
from copilot_pipeline.marts.negation import NOTHING, folded

INACCURATE, ROADMAP_LEAK, OUTDATED = "inaccurate", "roadmap_leak", "outdated_competitive"
NO_QUOTE = "no quote"
# Without settings, a brick plays the part that its name speaks of.
_NAMED = ((INACCURATE, ("inaccurate", "incorrect_claim")), (ROADMAP_LEAK, ("roadmap",)), (OUTDATED, ("outdated",)))
# What a text brick says where there is nothing to flag. A claim may itself begin with a no: only these say so.
_NOTHING = NOTHING | {"accurate", "correct", "clean", "ok", "no_claims", "no_claims_found", "no_inaccurate_claims"}
_QUOTE_KEYS = ("quote", "claim", "text", "statement", "evidence")
_DOCUMENT_KEYS = ("document", "source_document", "source", "doc")
_PRODUCT_KEYS = ("product", "product_name")


class Claim(NamedTuple):
    """A row of `claims`."""

    claim_id: str
    call_id: str
    call_date: date
    week: date
    started_at: datetime
    deal_id: str | None
    rep_id: str | None
    rep_name: str | None
    manager_id: str | None
    kind: str
    kit: str
    brick: str
    kit_version_id: str | None
    quote: str | None
    is_found: bool
    match: str
    match_score: float | None
    seq: int | None
    start_s: float | None
    speaker: str | None
    speaker_side: str | None
    said: str | None
    document: str | None
    product: str | None
    reason: str | None
    confidence: float | None
    review_url: str | None


class Accuracy(NamedTuple):
    """A row of `claim_accuracy`."""

    grain: str
    grain_id: str
    grain_name: str | None
    n: int
    accurate: int
    share: float | None
    share_low: float | None
    share_high: float | None
    claims: int
    inaccurate: int
    roadmap_leaks: int
    outdated_competitive: int
    quotes_not_found: int


@dataclass(frozen=True, slots=True)
class ClaimKind:
    """A kind of claim and the brick that flags it."""

    brick: BrickKey
    flagged_when: tuple[object, ...] | None = None  # None: whatever says that there is something
    documents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Flag:
    """One thing that a brick flagged."""

    quote: Quote | None
    words: str = ""  # what else the brick said of it
    document: str | None = None
    product: str | None = None


Locate = Callable[[str, str], Quote]  # call id and words -> where they were said


def claim_kinds(settings: ClaimSettings, known: Collection[BrickKey]) -> list[tuple[str, ClaimKind]]:
    """The kinds of the settings; without any, the bricks that were ever answered and are named after one."""
    if settings.kinds:
        return [
            (name, ClaimKind(kind.brick.key, tuple(kind.flagged_when) if kind.flagged_when else None, kind.documents))
            for name, kind in settings.kinds.items()
        ]
    # A brick is of one kind, though its name may speak of two: else its claims would count twice.
    named = [(name, key) for key in sorted(known) if (name := _kind_named_in(key[1].lower())) is not None]
    return [(name, ClaimKind(key)) for wanted, _ in _NAMED for name, key in named if name == wanted]


def _kind_named_in(brick: str) -> str | None:
    if brick.endswith(("_score", "_rate")):
        return None
    return next((name for name, words in _NAMED if any(word in brick for word in words)), None)


def claims(
    conversations: Iterable[ScoredCall],
    kinds: Sequence[tuple[str, ClaimKind]],
    settings: ClaimSettings,
    locate: Locate,
) -> Iterator[Claim]:
    """The flagged claims, by call. `locate` finds words that a list brick gives without a quote of its own."""
    for conversation in conversations:
        for name, kind in kinds:
            answer = conversation.bricks.get(kind.brick)
            if answer is None or answer.value is None:
                continue
            flags = _flags(conversation.call_id, answer, kind, locate)
            for position, flag in enumerate(flags):
                yield _claim(conversation, name, kind, position, flag, answer, settings, len(flags))


def _flags(call_id: str, answer: BrickAnswer, kind: ClaimKind, locate: Locate) -> list[_Flag]:
    value = answer.value
    if isinstance(value, list | dict):
        items = [item for item in items_of(value) if _is_flagged(item, kind.flagged_when)]
        paired = len(answer.quotes) == len(items)
        return [
            _listed(call_id, item, answer.quotes[place] if paired else None, locate) for place, item in enumerate(items)
        ]
    if not _is_flagged(value, kind.flagged_when):
        return []
    if not isinstance(value, str):
        return [_Flag(quote) for quote in answer.quotes] or [_Flag(None)]
    if answer.quotes:
        return [_Flag(quote, value) for quote in answer.quotes]
    # A text may be the claim in the rep's words, or only a category: what was said tells.
    said = locate(call_id, value)
    return [_Flag(said if said.seq is not None else None, value)]


def _is_flagged(value: object, flagged_when: tuple[object, ...] | None) -> bool:
    if flagged_when is not None:
        # To Python True is 1: a yes/no answer is not a score of 1.
        return any(value == wanted and isinstance(value, bool) is isinstance(wanted, bool) for wanted in flagged_when)
    if isinstance(value, str):
        return folded(value) not in _NOTHING
    return bool(value)


def _listed(call_id: str, item: object, quote: Quote | None, locate: Locate) -> _Flag:
    """An item of a list: words, or an object with a quote and perhaps a document and a product."""
    if not isinstance(item, dict):
        words = str(item)
        return _Flag(quote or locate(call_id, words), words)
    said = _first(item, _QUOTE_KEYS)
    return _Flag(
        quote or (locate(call_id, said) if said else None),
        " ".join(str(value) for value in item.values() if isinstance(value, str)),
        _first(item, _DOCUMENT_KEYS),
        _first(item, _PRODUCT_KEYS),
    )


def _first(item: Mapping[str, object], names: Sequence[str]) -> str | None:
    return next((value for name in names if isinstance(value := item.get(name), str) and value.strip()), None)


def _claim(
    conversation: ScoredCall,
    name: str,
    kind: ClaimKind,
    position: int,
    flag: _Flag,
    answer: BrickAnswer,
    settings: ClaimSettings,
    flags: int,
) -> Claim:
    kit, brick = kind.brick
    quote = flag.quote
    rep = conversation.speaker_of(quote) if quote else conversation.rep
    document = (
        flag.document
        or _one_of(_value(conversation, settings.document), position, flags)
        or _named_in(f"{flag.words} {answer.reason or ''}", (*kind.documents, *settings.documents))
        or (" or ".join(kind.documents) or None)
    )
    return Claim(
        claim_id=f"{conversation.call_id}:{name}:{kit}.{brick}:{position}",
        call_id=conversation.call_id,
        call_date=conversation.call_date,
        week=conversation.week,
        started_at=conversation.started_at,
        deal_id=conversation.deal_id,
        rep_id=rep.rep_id if rep else None,
        rep_name=rep.name if rep else None,
        manager_id=rep.manager_id if rep else None,
        kind=name,
        kit=kit,
        brick=brick,
        kit_version_id=conversation.kit_version_id(kit),
        quote=quote.text if quote else None,
        is_found=quote is not None and quote.seq is not None,
        match=quote.match if quote else NO_QUOTE,
        match_score=quote.score if quote else None,
        seq=quote.seq if quote else None,
        start_s=quote.start_s if quote else None,
        speaker=quote.speaker if quote else None,
        speaker_side=quote.side if quote else None,
        said=quote.said if quote else None,
        document=document,
        product=flag.product or _one_of(_value(conversation, settings.product), position, flags),
        reason=answer.reason,
        confidence=answer.confidence,
        review_url=conversation.review_url,
    )


def _value(conversation: ScoredCall, reference: BrickRef | None) -> Value:
    answer = conversation.bricks.get(reference.key) if reference else None
    return answer.value if answer else None


def _one_of(value: Value, position: int, flags: int) -> str | None:
    """The text of a brick for one of several flags: a list as long as the flags goes with them one by one."""
    if isinstance(value, list | dict):
        texts = [str(item) for item in items_of(value) if item not in (None, "")]
        return texts[position] if len(texts) == flags else ", ".join(texts) or None
    return value.strip() or None if isinstance(value, str) else None


def _named_in(words: str, documents: Sequence[str]) -> str | None:
    folded = words.casefold()
    named = [document for document in documents if document.casefold() in folded]
    return max(named, key=len) if named else None


# --- accuracy ----------------------------------------------------------------------------------------------------


class _Tally:
    """Calls and claims of one grain."""

    def __init__(self) -> None:
        self.name: str | None = None
        self.calls = 0
        self.accurate = 0
        self.claims: list[Claim] = []


def claim_accuracy(
    conversations: Iterable[ScoredCall],
    found: Iterable[Claim],
    kinds: Sequence[tuple[str, ClaimKind]],
    settings: ClaimSettings,
) -> list[Accuracy]:
    """By rep, product, week and in all. A call counts where a flagging brick answered: null is no check."""
    by_call: defaultdict[str, list[Claim]] = defaultdict(list)
    for claim in found:
        by_call[claim.call_id].append(claim)
    tallies: defaultdict[tuple[str, str], _Tally] = defaultdict(_Tally)
    for conversation in conversations:
        answers = [conversation.bricks.get(kind.brick) for _, kind in kinds]
        if not any(answer is not None and answer.value is not None for answer in answers):
            continue
        flagged = by_call.get(conversation.call_id, [])
        for grain, grain_id, name, of_grain in _grains(conversation, flagged, settings):
            tally = tallies[grain, grain_id]
            tally.name = tally.name or name
            tally.calls += 1
            tally.accurate += not of_grain
            tally.claims += of_grain
    return [_accuracy(grain, grain_id, tally) for (grain, grain_id), tally in sorted(tallies.items())]


def _grains(
    conversation: ScoredCall, flagged: list[Claim], settings: ClaimSettings
) -> Iterator[tuple[str, str, str | None, list[Claim]]]:
    yield "all", "all", None, flagged
    yield "week", conversation.week.isoformat(), None, flagged
    for rep in conversation.reps():
        yield "rep", rep.rep_id, rep.name, [claim for claim in flagged if claim.rep_id == rep.rep_id]
    value = _value(conversation, settings.product)
    spoken_of = [str(item) for item in items_of(value) if item]
    products = {str(product) for product in spoken_of} | {claim.product for claim in flagged if claim.product}
    for product in sorted(products):
        yield "product", product, product, [claim for claim in flagged if claim.product in (product, None)]


def _accuracy(grain: str, grain_id: str, tally: _Tally) -> Accuracy:
    of_kind: defaultdict[str, int] = defaultdict(int)
    for claim in tally.claims:
        of_kind[claim.kind] += 1
    return Accuracy(
        grain,
        grain_id,
        tally.name,
        tally.calls,
        tally.accurate,
        *share_of(tally.accurate, tally.calls),
        len(tally.claims),
        of_kind[INACCURATE],
        of_kind[ROADMAP_LEAK],
        of_kind[OUTDATED],
        sum(claim.match == "not found" for claim in tally.claims),
    )
