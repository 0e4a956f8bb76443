"""Parse users, topics, scorecards, accounts and deals. Invalid entries are skipped; an invalid body is an error."""

from __future__ import annotations

from typing import Any

from copilot_pipeline.clients.clari.amounts import parse_amount, parse_share
from copilot_pipeline.clients.clari.decoding import (
    count,
    decode,
    expect_mapping,
    flag,
    json_text,
    mapping,
    mappings,
    moment,
    number,
    text,
    texts,
)
from copilot_pipeline.clients.clari.models import Account, Deal, Scorecard, ScorecardAnswer, Topic, User
from copilot_pipeline.errors import UnreadableBody


def _entries(body: bytes, key: str) -> list[dict[str, Any]]:
    return _entries_of(expect_mapping(decode(body), "$"), key)


def _entries_of(value: dict[str, Any], key: str) -> list[dict[str, Any]]:
    entries = value.get(key)
    if not isinstance(entries, list):
        raise UnreadableBody(f"$.{key}: expected an array")
    return mappings(entries)


def parse_users(body: bytes) -> list[User]:
    """Parse the body of /users."""
    return [
        User(
            user_id=user_id,
            email=text(entry.get("email")),
            name=text(entry.get("name")),
            role=text(entry.get("role")),
            is_recording=flag(entry.get("is_recording")),
            manager_id=text(entry.get("manager_id")),
        )
        for entry in _entries(body, "users")
        if (user_id := text(entry.get("id"))) is not None
    ]


def parse_topics(body: bytes) -> list[Topic]:
    """Parse the body of /v2/topics; /topics has plain texts under the same key (contract trap 22)."""
    return [
        Topic(
            topic_id=topic_id,
            name=text(entry.get("topic_name")),
            kind=text(entry.get("type")),
            team_ids=texts(entry.get("team_ids")),
            description=text(mapping(entry.get("custom_topic")).get("description")),
            trackers=texts(mapping(entry.get("keyword_topic")).get("trackers")),
        )
        for entry in _entries(body, "topics")
        if (topic_id := text(entry.get("topic_id"))) is not None
    ]


def parse_scorecards(body: bytes) -> tuple[list[Scorecard], int, bool | None, int | None]:
    """Parse a page of /scorecard: cards, number of entries, whether there are more, and the next skip."""
    page = expect_mapping(decode(body), "$")
    entries = _entries_of(page, "scorecards")
    cards = [
        Scorecard(
            scorecard_id=scorecard_id,
            call_id=text(entry.get("call_id")),
            kind=text(entry.get("type")),
            rep_id=text(entry.get("rep")),
            scorer_id=text(entry.get("scorer")),
            template_id=text(entry.get("template_id")),
            total_score=number(entry.get("total_score")),
            remark=text(entry.get("remark")),
            answers=_answers(entry.get("questions_score")),
        )
        for entry in entries
        if (scorecard_id := text(entry.get("id"))) is not None
    ]
    pagination = mapping(page.get("pagination"))
    return cards, len(page["scorecards"]), flag(pagination.get("hasMore")), count(pagination.get("nextPageSkip"))


def _answers(value: Any) -> tuple[ScorecardAnswer, ...]:
    return tuple(
        ScorecardAnswer(
            skill=text(entry.get("skill")),
            label=text(entry.get("label")),
            order=text(entry.get("order")),
            score=number(entry.get("score")),
        )
        for entry in mappings(value)
    )


def parse_account(body: bytes, account_id: str) -> Account:
    """Parse the body of /get-account; `account_id` is the requested id."""
    account = expect_mapping(decode(body), "$")
    return Account(
        account_id=text(account.get("crm_id")) or account_id,
        copilot_id=text(account.get("id")),
        name=text(account.get("name")),
        website=text(account.get("website")),
        description=text(account.get("description")),
        address=text(account.get("address")),
        city=text(account.get("city")),
        state=text(account.get("state")),
        country=text(account.get("country")),
        postal_code=text(account.get("zip")),
        phones=texts(account.get("phones")),
        custom_fields_json=json_text(account.get("custom_fields")),
    )


def parse_deal(body: bytes, deal_id: str) -> Deal:
    """Parse the body of /get-deal; `deal_id` is the requested id."""
    deal = expect_mapping(decode(body), "$")
    return Deal(
        deal_id=text(deal.get("crm_id")) or deal_id,
        copilot_id=text(deal.get("id")),
        name=text(deal.get("deal_name")),
        amount_raw=text(deal.get("amount")),
        amount=parse_amount(deal.get("amount")),
        stage=text(deal.get("stage")),
        probability=parse_share(deal.get("probability")),
        forecast_category=text(deal.get("forecast_category")),
        close_date=moment(deal.get("close_date")),
        created_at=moment(deal.get("created_date")),
        owner_crm_id=text(deal.get("owner_crm_id")),
        account_crm_id=text(deal.get("account_crm_id")),
        reason=text(deal.get("deal_reason")),
        stage_history_json=json_text(deal.get("stage_change_history")),
        close_date_history_json=json_text(deal.get("close_date_change_history")),
    )
