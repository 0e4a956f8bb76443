"""A person in everything that the emulated API returns, for tests and trials of privacy.

The person takes part in one call and is named in another one, in all cases and notations in which vendors return
names; the deal and the account of the second, a topic and the scorecards name the person too.
"""

from __future__ import annotations

from copilot_pipeline.sandbox.call import READY
from copilot_pipeline.sandbox.calls import Calls
from copilot_pipeline.sandbox.dialogue import SIGNALS

NAME, EMAIL, PHONE = "Quillon Ébène-O'Vossberg", "quillon.ebene@kestrel.example", "+49 151 2345 6789"
SAID = "My grandmother's piano teacher still signs every invoice herself"
_PERSON_ID = 7


def plant(calls: Calls) -> None:
    """Change two calls, a deal and its account. Raises `ValueError` if there are no two calls with a customer."""
    ready = [call for call in calls.by_id.values() if call.status == READY and call.deal is not None and call.length]
    if len(ready) < 2:
        raise ValueError("a person can be planted only where two calls have a customer: add days or calls")
    theirs, mentioning = ready[:2]
    item, turns = calls.item(theirs), calls.transcript(theirs)
    said = f"{SAID}. {SIGNALS['risk'][1]}"
    person = {"name": NAME, "email": EMAIL.upper(), "phone": PHONE, "personId": _PERSON_ID}
    calls.change(
        theirs,
        {
            "title": f"{NAME.upper()} x Acme",
            "externalParticipants": [*item["externalParticipants"], person],
            "joinedParticipants": [*item["joinedParticipants"], {"name": NAME}],
            "contact_names": [NAME],
            "transcript": [*turns, _turn(turns, said, _PERSON_ID)],
            "summary": {
                "full_summary": f"{NAME} wants a review.",
                "key_takeaways": f"{SAID}.",
                "key_action_items": [{"action_item": f"Write to {EMAIL}", "speaker_name": NAME}],
            },
        },
    )
    turns = calls.transcript(mentioning)
    mention = f"Send it to {NAME}, or to {EMAIL}, or call 0151 2345-6789. Vossberg decides."
    title = "About Ébène-O'Vossberg, Quillon"
    calls.change(mentioning, {"title": title, "transcript": [*turns, _turn(turns, mention, 0)]})
    calls.company.planted = (NAME, PHONE)
    if mentioning.deal is not None:
        mentioning.deal.champion = NAME


def _turn(turns: list[dict[str, object]], text: str, person_id: int) -> dict[str, object]:
    """Return what is said after the last turn."""
    end = float(str(turns[-1]["end"]))
    return {"start": end + 1, "end": end + 5, "annotations": [], "text": text, "personId": person_id}
