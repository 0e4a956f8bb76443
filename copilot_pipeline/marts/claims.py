"""Claim verification: flagged claims with their quotes and source documents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from copilot_pipeline.config.bricks import BrickRef
from copilot_pipeline.config.marts import ClaimSettings
from copilot_pipeline.marts.deals import as_text
from copilot_pipeline.marts.model import BrickAnswer, BrickKey, Quote, ScoredCall, Value, items_of
from copilot_pipeline.marts.negation import NOTHING, normalized

INACCURATE, ROADMAP_LEAK, OUTDATED = "inaccurate", "roadmap_leak", "outdated_competitive"
NO_QUOTE = "no quote"
# Without settings, the kind of a brick is inferred from its name.
_KIND_WORDS = ((INACCURATE, ("inaccurate", "incorrect_claim")), (ROADMAP_LEAK, ("roadmap",)), (OUTDATED, ("outdated",)))
# Text values that mean "nothing to flag". A claim may itself start with "no", so only whole values are compared.
_NOTHING_FLAGGED = NOTHING | {
    "accurate",
    "correct",
    "clean",
    "ok",
    "no_claims",
    "no_claims_found",
    "no_inaccurate_claims",
}
_QUOTE_KEYS = ("quote", "claim", "text", "statement", "evidence")
_STATEMENT_KEYS = ("statement", "claim", "text", "quote")
_DOCUMENT_KEYS = ("document", "source_document", "source", "doc")
_PRODUCT_KEYS = ("product", "product_name")


class ClaimRow(NamedTuple):
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
    statement: str


@dataclass(frozen=True, slots=True)
class ClaimKind:
    """A kind of claim and the brick that flags it."""

    brick: BrickKey
    flagged_when: tuple[object, ...] | None = None  # None: any value that is not "nothing"
    documents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Flag:
    """One item that a brick flagged."""

    quote: Quote | None
    statement: str  # the value, or the item of a list
    text: str = ""  # everything else that the brick returned about it
    document: str | None = None
    product: str | None = None


Locate = Callable[[str, str], Quote]  # finds words in the transcript of a call, by call id


def claim_kinds(settings: ClaimSettings, answered: Collection[BrickKey]) -> list[tuple[str, ClaimKind]]:
    """Return the kinds of the settings, or without any the bricks with scores that are named after a kind."""
    if settings.kinds:
        return [
            (name, ClaimKind(kind.brick.key, tuple(kind.flagged_when) if kind.flagged_when else None, kind.documents))
            for name, kind in settings.kinds.items()
        ]
    # A brick has one kind even if its name fits two; otherwise its claims would be counted twice.
    named = [(name, key) for key in sorted(answered) if (name := _kind_of_name(key[1].lower())) is not None]
    return [(name, ClaimKind(key)) for wanted, _ in _KIND_WORDS for name, key in named if name == wanted]


def _kind_of_name(brick: str) -> str | None:
    if brick.endswith(("_score", "_rate")):
        return None
    return next((name for name, words in _KIND_WORDS if any(word in brick for word in words)), None)


def claims(
    calls: Iterable[ScoredCall],
    kinds: Sequence[tuple[str, ClaimKind]],
    settings: ClaimSettings,
    locate: Locate,
) -> Iterator[tuple[ScoredCall, list[ClaimRow]]]:
    """Yield each call with its flagged claims. `locate` finds the quote of items that have none of their own."""
    for call in calls:
        yield call, [row for name, kind in kinds for row in _of_kind(call, name, kind, settings, locate)]


def _of_kind(
    call: ScoredCall, name: str, kind: ClaimKind, settings: ClaimSettings, locate: Locate
) -> Iterator[ClaimRow]:
    answer = call.bricks.get(kind.brick)
    if answer is None or answer.value is None:
        return
    flags = _flags(call.call_id, answer, kind, locate)
    for position, flag in enumerate(flags):
        yield _claim_row(call, name, kind, position, flag, answer, settings, len(flags))


def _flags(call_id: str, answer: BrickAnswer, kind: ClaimKind, locate: Locate) -> list[_Flag]:
    value = answer.value
    if isinstance(value, list | dict):
        items = [item for item in items_of(value) if _is_flagged(item, kind.flagged_when)]
        paired = len(answer.quotes) == len(items)
        return [
            _list_item(call_id, item, answer.quotes[index] if paired else None, locate)
            for index, item in enumerate(items)
        ]
    if not _is_flagged(value, kind.flagged_when):
        return []
    if not isinstance(value, str):
        return [_Flag(quote, as_text(value)) for quote in answer.quotes] or [_Flag(None, as_text(value))]
    if answer.quotes:
        return [_Flag(quote, value, value) for quote in answer.quotes]
    # A text is either the claim in the rep's words or only a category; the transcript decides.
    quote = locate(call_id, value)
    return [_Flag(quote if quote.seq is not None else None, value, value)]


def _is_flagged(value: object, flagged_when: tuple[object, ...] | None) -> bool:
    if flagged_when is not None:
        # In Python True == 1, but yes is not a score of 1.
        return any(value == wanted and isinstance(value, bool) is isinstance(wanted, bool) for wanted in flagged_when)
    if isinstance(value, str):
        return normalized(value) not in _NOTHING_FLAGGED
    return bool(value)


def flags(kinds: Iterable[tuple[str, ClaimKind]]) -> Callable[[BrickKey, Value], bool]:
    """Return a function that tells whether a value of a brick flags anything: only then its reason is used."""
    by_brick: defaultdict[BrickKey, list[ClaimKind]] = defaultdict(list)
    for _, kind in kinds:
        by_brick[kind.brick].append(kind)

    def is_flag(brick: BrickKey, value: Value) -> bool:
        return value is not None and any(
            _is_flagged(item, kind.flagged_when) for kind in by_brick.get(brick, ()) for item in items_of(value)
        )

    return is_flag


def _list_item(call_id: str, item: object, quote: Quote | None, locate: Locate) -> _Flag:
    """Return the flag of a list item: a text, or an object with a quote and optionally a document and a product."""
    if not isinstance(item, dict):
        text = str(item)
        return _Flag(quote or locate(call_id, text), text, text)
    quoted = _first_text(item, _QUOTE_KEYS)
    return _Flag(
        quote or (locate(call_id, quoted) if quoted else None),
        _first_text(item, _STATEMENT_KEYS) or as_text(item),
        " ".join(str(value) for value in item.values() if isinstance(value, str)),
        _first_text(item, _DOCUMENT_KEYS),
        _first_text(item, _PRODUCT_KEYS),
    )


def _first_text(item: Mapping[str, object], names: Sequence[str]) -> str | None:
    return next((value for name in names if isinstance(value := item.get(name), str) and value.strip()), None)


def _claim_row(
    call: ScoredCall,
    name: str,
    kind: ClaimKind,
    position: int,
    flag: _Flag,
    answer: BrickAnswer,
    settings: ClaimSettings,
    flags: int,
) -> ClaimRow:
    kit, brick = kind.brick
    quote = flag.quote
    rep = call.speaker_of(quote) if quote else call.rep
    return ClaimRow(
        claim_id=f"{call.call_id}:{name}:{kit}.{brick}:{position}",
        call_id=call.call_id,
        call_date=call.call_date,
        week=call.week,
        started_at=call.started_at,
        deal_id=call.deal_id,
        rep_id=rep.rep_id if rep else None,
        rep_name=rep.name if rep else None,
        manager_id=rep.manager_id if rep else None,
        kind=name,
        kit=kit,
        brick=brick,
        kit_version_id=call.kit_version_id(kit),
        statement=flag.statement,
        **_quoted(quote),
        document=(
            flag.document
            or _nth_text(configured_value(call, settings.document), position, flags)
            or _document_of(kind, settings, f"{flag.text} {answer.reason or ''}")
        ),
        product=flag.product or _nth_text(configured_value(call, settings.product), position, flags),
        reason=answer.reason,
        confidence=answer.confidence,
        review_url=call.review_url,
    )


def _quoted(quote: Quote | None) -> dict[str, Any]:
    """Return the columns of the quote of a claim."""
    return {
        "quote": quote.text if quote else None,
        "is_found": quote is not None and quote.seq is not None,
        "match": quote.match if quote else NO_QUOTE,
        "match_score": quote.score if quote else None,
        "seq": quote.seq if quote else None,
        "start_s": quote.start_s if quote else None,
        "speaker": quote.speaker if quote else None,
        "speaker_side": quote.side if quote else None,
        "said": quote.said if quote else None,
    }


def configured_value(call: ScoredCall, reference: BrickRef | None) -> Value:
    """Return the value of a brick of the settings; None if the setting is empty or the brick has no value."""
    return call.value_of(reference.key) if reference else None


def _nth_text(value: Value, position: int, flags: int) -> str | None:
    """Return a brick's text for one of several flags; a list with as many items as flags is matched by position."""
    if isinstance(value, list | dict):
        texts = [str(item) for item in items_of(value) if item not in (None, "")]
        return texts[position] if len(texts) == flags else ", ".join(texts) or None
    return value.strip() or None if isinstance(value, str) else None


def _document_of(kind: ClaimKind, settings: ClaimSettings, text: str) -> str | None:
    """Return the document that a text names, else those of the kind."""
    searched = text.casefold()
    named = [one for one in (*kind.documents, *settings.documents) if one.casefold() in searched]
    return max(named, key=len) if named else " or ".join(kind.documents) or None
