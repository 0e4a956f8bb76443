"""Parts of the bodies in which Clari Copilot returns a call."""

from __future__ import annotations

from typing import Any

from copilot_pipeline.sandbox.call import READY, Call
from copilot_pipeline.sandbox.company import Deal, zulu
from copilot_pipeline.sandbox.history import PlannedCall

_TYPES = ("ZOOM", "GOOGLE_MEET", "MS_TEAMS", "DIALPAD", "RECORDING")  # the last one is undocumented


def list_item(call: Call) -> dict[str, Any]:
    """The generated fields of a call in `/calls`."""
    deal, rep = call.deal, call.rep
    people = deal.prospects if deal else []
    item: dict[str, Any] = {
        "id": call.call_id,
        "title": f"{deal.account} x Acme: {deal.product}" if deal else "Weekly pipeline review",
        "users": [{"userId": rep.user_id, "userEmail": rep.email, "isOrganizer": True, "personId": 0}],
        "externalParticipants": [
            {"name": person.name, "email": person.email, "personId": index + 1} for index, person in enumerate(people)
        ],
        "joinedParticipants": [{"name": rep.name}, *({"name": person.name} for person in people)],
        "status": call.status,
        "bot_not_join_reason": [],
        "type": _TYPES[call.index % len(_TYPES)],
        "time": zulu(call.started_at),
        "last_modified_time": zulu(call.modified_at),
        "audio_url": None,
        "video_url": None,
        "disposition": "CALL_CONNECTED_WITH_PROSPECT" if people else "CALL_DID_NOT_CONNECT_WITH_PROSPECT",
        "bookmark_timestamps": [],
        "metrics": _metrics(call),
        "call_review_page_url": f"https://copilot.clari.com/call/{call.call_id}",
    }
    if call.index % 3 == 0:
        item |= {"source_id": f"REQUESTED_POST_{call.index % 7}", "recurring_event_id": f"rec-{call.index % 11}"}
    if deal is not None:
        item |= _deal_fields(call, deal)
    if call.trap == "name_only":
        item["externalParticipants"] = []
    if call.trap == "no_metrics":
        del item["metrics"]
    return item


def _deal_fields(call: Call, deal: Deal) -> dict[str, Any]:
    people = deal.prospects
    contacts: list[str] | str = [f"003SBX{call.index % 500:09d}"]
    return {
        "deal_name": f"{deal.account} - {deal.product}",
        "deal_value": f"${deal.amount:,}.00" if call.index % 4 == 0 else str(deal.amount),
        "deal_close_date": zulu(deal.close_date),
        "deal_stage_before_call": "Discovery" if call.plan is None else deal.stage_at(call.started_at),
        "account_name": deal.account,
        "contact_names": [person.name for person in people],
        "crm_info": {
            "source_crm": "SALESFORCE",
            "deal_id": deal.deal_id,
            "account_id": deal.account_id,
            "contact_ids": contacts[0] if call.trap == "bare_contact" else contacts,
        },
    }


def _metrics(call: Call) -> dict[str, Any]:
    if call.status not in (READY, "PROCESSED") or not call.length:
        names = "talk_listen_ratio num_questions_asked num_questions_asked_by_reps call_duration total_speak_duration"
        zeros = dict.fromkeys([*names.split(), "longest_monologue_duration", "longest_monologue_start_time"], 0)
        return {**zeros, "engaging_questions": 0, "categories": []}
    if call.plan is not None:
        return _metrics_of_plan(call, call.plan)
    share = round(0.3 + call.index % 37 / 100, 2)
    phrase = {"text": "what does it cost", "user_id": call.rep.user_id, "name": call.rep.name, "time": 64.2}
    return {
        "talk_listen_ratio": share,
        "num_questions_asked": call.length // 5,
        "num_questions_asked_by_reps": call.length // 8,
        "call_duration": call.length * 5 + 30,
        "total_speak_duration": call.length * 4.4000015258789,
        "longest_monologue_duration": 37.4000015258789,
        "longest_monologue_start_time": 41.1000061035156,
        "engaging_questions": call.length // 20,
        "categories": [{"name": "Pricing", "occurences": 1, "phrases_matched": [phrase], "ai_detected": False}],
    }


def _metrics_of_plan(call: Call, plan: PlannedCall) -> dict[str, Any]:
    return {
        "talk_listen_ratio": round(plan.talk_share + (call.index % 11 - 5) / 100, 2),
        "num_questions_asked": call.length // 4,
        "num_questions_asked_by_reps": call.length // 6,
        "call_duration": call.length * 12 + 30,
        "total_speak_duration": call.length * 10.5,
        "longest_monologue_duration": 12.4,
        "longest_monologue_start_time": 41.1,
        "engaging_questions": call.length // 20,
        "categories": [],
    }


def summary(call: Call) -> dict[str, Any]:
    """The summary in `/call-details`; empty if the call is not ready."""
    if call.status != READY or not call.length:
        return {}
    has_nan = call.trap == "nan_summary"
    about = call.deal.product if call.deal else "the pipeline"
    return {
        "full_summary": f"They spoke about {about}, the price and the time it takes to go live.",
        "key_takeaways": ["Price is the open point.", "Security wants a review."]
        if has_nan
        else "Price is the open point.",
        "topics_discussed": []
        if call.plan is not None
        else [
            {
                "name": "Pricing",
                "start_timestamp": "NaN" if has_nan else "5.4",
                "end_timestamp": "NaN" if has_nan else "210.0",
                "summary": "Tiers compared.",
            }
        ],
        "key_action_items": []
        if call.plan is not None and "next_step" not in call.plan.signals
        else [
            {
                "action_item": "Send the tier sheet",
                "speaker_name": call.rep.name,
                "start_timestamp": "170.2",
                "end_timestamp": "171.8",
            }
        ],
    }


def competitor_sentiments(turns: Any) -> list[dict[str, Any]]:
    """The sentiment of the first turn that names a competitor."""
    for turn in turns or ():
        if "Globex" in str(turn.get("text", "")):
            return [
                {
                    "competitor_name": "Globex",
                    "sentiment": "NEGATIVE",
                    "reasoning": "Called slow to deploy.",
                    "personId": str(turn.get("personId")),
                    "turn_start_time": str(turn.get("start")),
                }
            ]
    return []


def turns_with_trap(call: Call, turns: list[dict[str, Any]], *, is_first: bool) -> list[dict[str, Any]]:
    """The turns with the call's trap, if it concerns the transcript."""
    if len(turns) < 6:
        return turns
    if call.trap == "unmatched_speaker":
        turns[3]["personId"] = 7
    elif call.trap == "out_of_order":
        turns[2], turns[4] = turns[4], turns[2]
        turns[1]["end"] = turns[3]["end"]
    elif call.trap == "odd_text":
        turns[1]["text"] = ""
        turns[2]["text"] = "NUL \x00 and half a pair \ud83d, then \U0001f680 \u05e9\u05dc\u05d5\u05dd and e\u0301"
        turns[3]["text"] = 'Line\nbreak, tab\tand "quotes", \\N and \\., 100%; {a,b}'
        turns[4]["text"] = "We have said this before. " * 8000 if is_first else turns[4]["text"]
    return turns
