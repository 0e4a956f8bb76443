"""Slack messages in Block Kit: score, reason, evidence, links to the call and to the deal. Pure.

Whatever comes from outside is escaped, so that no title can ping a channel or fake a link, and cut to Slack's limits
(50 blocks, 3,000 characters a text, 150 a heading: https://docs.slack.dev/reference/block-kit/blocks).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from slack_sdk.models.blocks import Block, ContextBlock, DividerBlock, HeaderBlock, MarkdownTextObject, SectionBlock

from copilot_pipeline.config.routes import RouteSettings
from copilot_pipeline.marts.model import BrickAnswer, ScoredCall

LONGEST_TEXT = 3000
LONGEST_HEADING = 150
LONGEST_FALLBACK = 4000
MOST_BLOCKS = 50
MOST_BRICKS = 8
QUOTES_OF_A_BRICK = 3
_LONGEST_QUOTE = 400
_LONGEST_REASON = 600
_LONGEST_VALUE = 200


def escaped(text: str) -> str:
    """Text that Slack shows as it is: `&`, `<` and `>` are the three that mean something."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def shown(text: str, longest: int) -> str:
    """Escaped and cut to `longest` characters, never in the middle of an escape."""
    flat = " ".join(text.split())
    whole = escaped(flat)
    if len(whole) <= longest:
        return whole
    pieces: list[str] = []
    room = longest - 1
    for letter in flat:
        piece = escaped(letter)
        if len(piece) > room:
            break
        pieces.append(piece)
        room -= len(piece)
    return "".join(pieces) + "…"


def link(url: str | None, text: str) -> str | None:
    """A link in Slack's markup; None where there is nowhere to go."""
    if not url or not url.startswith(("https://", "http://")):
        return None
    address = quote(url, safe="/:?#[]@!$&'()*+,;=%~-._").replace("&", "&amp;")
    return f"<{address}|{escaped(text)}>" if len(address) < LONGEST_TEXT // 2 else None


def slack_message(
    rule: str, call: ScoredCall, route: RouteSettings, deal_url: str | None, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """The message for a call that a rule applies to, as an incoming webhook takes it."""
    title = str(call.fields.get("title") or "Call without a title")
    blocks: list[Block] = [
        HeaderBlock(text=_cut(" ".join(rule.split()), LONGEST_HEADING)),
        SectionBlock(text=_markdown(f"*{shown(title, 500)}*\n{_about(call)}")),
    ]
    for name, value in list(fields.items())[:MOST_BRICKS]:
        blocks.append(
            SectionBlock(text=_markdown(f"*{shown(name, 100)}:* {shown(_worded(value), _LONGEST_VALUE * 4)}"))
        )
    for brick, answer in _bricks_of(route, call):
        blocks.append(SectionBlock(text=_markdown(_answer(brick, answer))))
    links = _links(call, deal_url)
    if links:
        blocks += [DividerBlock(), SectionBlock(text=_markdown(" · ".join(links)))]
    blocks.append(ContextBlock(elements=[_markdown(f"call `{shown(call.call_id, 100)}`")]))
    fallback = f"{shown(rule, 200)}: {shown(title, 500)}"
    return {"text": fallback, "blocks": [block.to_dict() for block in blocks[:MOST_BLOCKS]]}


def plain_message(heading: str, lines: Iterable[str]) -> dict[str, Any]:
    """A message of our own words: a heading and a few sentences."""
    sentences = [shown(line, LONGEST_TEXT) for line in lines if line]
    blocks: list[Block] = [HeaderBlock(text=_cut(" ".join(heading.split()), LONGEST_HEADING))]
    blocks += [SectionBlock(text=_markdown(sentence)) for sentence in sentences[: MOST_BLOCKS - 1]]
    text = "\n".join([escaped(heading), *sentences])
    return {"text": text[:LONGEST_FALLBACK], "blocks": [block.to_dict() for block in blocks]}


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _markdown(text: str) -> MarkdownTextObject:
    # verbatim: Slack does not turn names and addresses in what was said into links and mentions.
    return MarkdownTextObject(text=text, verbatim=True)


def _about(call: ScoredCall) -> str:
    parts = [
        f"{call.started_at:%Y-%m-%d %H:%M} UTC",
        call.fields.get("rep_name"),
        call.fields.get("account_name"),
        call.fields.get("deal_name"),
    ]
    return " · ".join(shown(str(part), _LONGEST_VALUE) for part in parts if part)


def _bricks_of(route: RouteSettings, call: ScoredCall) -> list[tuple[str, BrickAnswer]]:
    """The score first, then what the condition looked at; each once, answered ones only."""
    references = [route.score] if route.score else []
    references += [brick for _, brick, _ in route.when.comparisons()] if route.when else []
    found: dict[str, BrickAnswer] = {}
    for reference in references:
        answer = call.bricks.get(reference.key)
        if answer is not None and answer.value is not None:
            found[str(reference)] = answer
    return list(found.items())[:MOST_BRICKS]


def _answer(brick: str, answer: BrickAnswer) -> str:
    confidence = f" (confidence {answer.confidence:.0%})" if answer.confidence is not None else ""
    lines = [f"*{shown(brick, 100)}:* {shown(_worded(answer.value), _LONGEST_VALUE)}{confidence}"]
    if answer.reason:
        lines.append(shown(answer.reason, _LONGEST_REASON))
    lines += [f"> {shown(quotation, _LONGEST_QUOTE)}" for quotation in answer.evidence[:QUOTES_OF_A_BRICK] if quotation]
    return "\n".join(lines)


def _links(call: ScoredCall, deal_url: str | None) -> list[str]:
    deal_id = call.fields.get("deal_id")
    deal = deal_url.replace("{deal_id}", quote(str(deal_id), safe="")) if deal_url and deal_id else None
    found = (link(call.fields.get("review_url"), "Open the call"), link(deal, "Open the deal"))
    return [one for one in found if one]


def _worded(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
