"""Slack messages in Block Kit: score, reason, evidence, links. Pure.

Texts from outside are escaped, so that a title can neither notify a channel nor fake a link, and cut to Slack's limits
(50 blocks, 3,000 characters per text, 150 per heading: https://docs.slack.dev/reference/block-kit/blocks).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, tzinfo
from typing import Any
from urllib.parse import quote

from slack_sdk.models.blocks import Block, ContextBlock, DividerBlock, HeaderBlock, MarkdownTextObject, SectionBlock

from copilot_pipeline.config.bricks import BrickRef
from copilot_pipeline.config.routes import RouteSettings
from copilot_pipeline.delivery.brick_labels import BrickLabel, BrickLabels
from copilot_pipeline.marts.model import BrickAnswer, Quote, ScoredCall
from copilot_pipeline.printable import clock

MAX_TEXT = 3000
MAX_HEADING = 150
MAX_FALLBACK = 4000
MAX_BLOCKS = 50
MAX_BRICKS = 8
QUOTES_PER_BRICK = 3
_MAX_QUOTE = 400
_MAX_REASON = 600
_MAX_VALUE = 200


def escape(text: str) -> str:
    """Escape `&`, `<` and `>`, the three characters with a meaning in Slack's markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def escape_and_cut(text: str, max_length: int) -> str:
    """Escape and cut to `max_length` characters, never inside an escape sequence."""
    flat = " ".join(text.split())
    escaped = escape(flat)
    if len(escaped) <= max_length:
        return escaped
    pieces: list[str] = []
    remaining = max_length - 1
    for letter in flat:
        piece = escape(letter)
        if len(piece) > remaining:
            break
        pieces.append(piece)
        remaining -= len(piece)
    return "".join(pieces) + "…"


def link(url: str | None, text: str) -> str | None:
    """Return a link in Slack's markup; None if the address is not http(s)."""
    if not url or not url.startswith(("https://", "http://")):
        return None
    address = quote(url, safe="/:?#[]@!$&'()*+,;=%~-._").replace("&", "&amp;")
    return f"<{address}|{escape(text)}>" if len(address) < MAX_TEXT // 2 else None


def slack_message(
    call: ScoredCall,
    route: RouteSettings,
    deal_page: str | None,
    fields: Mapping[str, Any],
    *,
    zone: tzinfo = UTC,
    labels: BrickLabels | None = None,
) -> dict[str, Any]:
    """Return a route's message about a call, as an incoming webhook accepts it.

    Times are those of `zone`. Bricks have their labels and scales, and each quote is shown once.
    """
    title = str(call.fields.get("title") or "Call without a title")
    blocks: list[Block] = [
        HeaderBlock(text=cut(" ".join(route.name.split()), MAX_HEADING)),
        SectionBlock(text=markdown(f"*{escape_and_cut(title, 500)}*\n{_call_summary(call, zone)}")),
    ]
    for name, value in list(fields.items())[:MAX_BRICKS]:
        blocks.append(
            SectionBlock(
                text=markdown(f"*{escape_and_cut(name, 100)}:* {escape_and_cut(_format_value(value), _MAX_VALUE * 4)}")
            )
        )
    shown: set[str] = set()
    for brick, answer in _route_bricks(route, call):
        label = (labels or {}).get(brick.key) or BrickLabel(str(brick))
        quotes = _unshown_quotes(answer, shown)
        blocks.append(SectionBlock(text=markdown(_format_answer(label, answer, quotes))))
    links = _links(call, deal_page)
    if links:
        blocks += [DividerBlock(), SectionBlock(text=markdown(" · ".join(links)))]
    if not links:  # the only way to find the call
        blocks.append(ContextBlock(elements=[markdown(f"call `{escape_and_cut(call.call_id, 100)}`")]))
    fallback = f"{escape_and_cut(route.name, 200)}: {escape_and_cut(title, 500)}"
    return {"text": fallback, "blocks": [block.to_dict() for block in blocks[:MAX_BLOCKS]]}


def text_message(heading: str, lines: Iterable[str]) -> dict[str, Any]:
    """Return a message of the pipeline itself: a heading and a few sentences."""
    sentences = [escape_and_cut(line, MAX_TEXT) for line in lines if line]
    blocks: list[Block] = [HeaderBlock(text=cut(" ".join(heading.split()), MAX_HEADING))]
    blocks += [SectionBlock(text=markdown(sentence)) for sentence in sentences[: MAX_BLOCKS - 1]]
    text = "\n".join([escape(heading), *sentences])
    return {"text": text[:MAX_FALLBACK], "blocks": [block.to_dict() for block in blocks]}


def cut(text: str, max_length: int) -> str:
    """Cut a text at the end, with an ellipsis."""
    return text if len(text) <= max_length else text[: max_length - 1] + "…"


def markdown(text: str) -> MarkdownTextObject:
    """Return a text in Slack's markup."""
    # verbatim: keeps Slack from turning names and addresses in quotes into links and mentions.
    return MarkdownTextObject(text=text, verbatim=True)


def _call_summary(call: ScoredCall, zone: tzinfo) -> str:
    parts = [
        f"{call.started_at.astimezone(zone):%Y-%m-%d %H:%M %Z}",
        call.fields.get("rep_name"),
        call.fields.get("account_name"),
        call.fields.get("deal_name"),
    ]
    return " · ".join(escape_and_cut(str(part), _MAX_VALUE) for part in parts if part)


def _route_bricks(route: RouteSettings, call: ScoredCall) -> list[tuple[BrickRef, BrickAnswer]]:
    """Return the score brick, then the bricks of the condition.

    Each once, and only those with a value.
    """
    references = [route.score] if route.score else []
    references += [brick for _, brick, _ in route.when.comparisons()] if route.when else []
    answers: dict[BrickRef, BrickAnswer] = {}
    for reference in references:
        answer = call.bricks.get(reference.key)
        if answer is not None and answer.value is not None:
            answers[BrickRef(*reference.key)] = answer
    return list(answers.items())[:MAX_BRICKS]


def _unshown_quotes(answer: BrickAnswer, shown: set[str]) -> list[Quote]:
    """Return the first quotes that were not shown yet, and add them to `shown`, compared by their words."""
    quotes: list[Quote] = []
    for one in answer.quotes or [Quote(text, "unknown") for text in answer.evidence]:
        words = " ".join(one.text.casefold().split())
        if len(quotes) == QUOTES_PER_BRICK or not words or any(words in other for other in shown):
            continue
        shown.add(words)
        quotes.append(one)
    return quotes


def _format_answer(label: BrickLabel, answer: BrickAnswer, quotes: Iterable[Quote]) -> str:
    confidence = f" (confidence {answer.confidence:.0%})" if answer.confidence is not None else ""
    value = label.with_scale(answer.value) or _format_value(answer.value)
    lines = [f"*{escape_and_cut(label.label, 100)}:* {escape_and_cut(value, _MAX_VALUE)}{confidence}"]
    if answer.reason:
        lines.append(escape_and_cut(answer.reason, _MAX_REASON))
    for one in quotes:
        lines.append(f"> {escape_and_cut(one.text, _MAX_QUOTE)}")
        if said_by := _said_by(one):
            lines.append(f"> — {escape_and_cut(said_by, _MAX_VALUE)}")
    return "\n".join(lines)


def _said_by(found: Quote) -> str | None:
    """Return who said a quote and where in the recording; None if it was not found in the transcript."""
    at = clock(found.start_s) if found.start_s is not None else None
    return ", ".join(filter(None, (found.speaker, at))) or None


def _links(call: ScoredCall, deal_page: str | None) -> list[str]:
    links = (link(call.fields.get("review_url"), "Open the call"), link(deal_page, "Open the deal"))
    return [one for one in links if one]


def _format_value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
