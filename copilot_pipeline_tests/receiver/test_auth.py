"""The proof, against an example that was not made here, and at the edges of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from copilot_pipeline.receiver import CLARI_COPILOT, SEMARIZE
from copilot_pipeline.receiver.auth import Secrets, prove
from copilot_pipeline.receiver.refusals import Refused
from copilot_pipeline_tests.receiver.signing import SECRET, signed

MOMENT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
BODY = b'{"call_id": "c1"}'


def test_the_published_example_of_standard_webhooks_is_believed() -> None:
    """Secret, id, timestamp, body and signature as the convention's own documentation shows them."""
    proof = prove(
        CLARI_COPILOT,
        Secrets.parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        Headers(
            {
                "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
                "webhook-timestamp": "1614265330",
                "webhook-signature": "v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v2,x",
            }
        ),
        b'{"test": 2432232314}',
        datetime.fromtimestamp(1614265330, UTC),
    )
    assert proof.signature is not None
    assert proof.delivery is not None


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_five_minutes_either_way_are_allowed(seconds: int) -> None:
    """The edges themselves; a signature is remembered until well after it has become too old."""
    sent_at = MOMENT + timedelta(seconds=seconds)
    headers = Headers(signed(BODY, at=str(int(sent_at.timestamp()))))
    proof = prove(CLARI_COPILOT, Secrets.parse(SECRET), headers, BODY, MOMENT)
    assert proof.expires_at > sent_at + timedelta(seconds=300)


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_second_more_is_not(seconds: int) -> None:
    """Too old and too far ahead are both refused."""
    sent_at = MOMENT + timedelta(seconds=seconds)
    headers = Headers(signed(BODY, at=str(int(sent_at.timestamp()))))
    with pytest.raises(Refused) as caught:
        prove(CLARI_COPILOT, Secrets.parse(SECRET), headers, BODY, MOMENT)
    assert caught.value.code == "wrong_time"


def test_a_secret_of_the_convention_works_as_text_too() -> None:
    """Who signs with the text of a `whsec_` secret, as openssl would, is believed as well."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    headers = Headers(signed(BODY, secret=secret, at=str(int(MOMENT.timestamp()))))
    assert prove(CLARI_COPILOT, Secrets.parse(secret), headers, BODY, MOMENT).signature


header_names = st.sampled_from(
    [
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "x-webhook-signature",
        "x-webhook-timestamp",
        "x-webhook-secret",
        "authorization",
        "semarize-signature",
        "semarize-timestamp",
        "semarize-delivery-id",
    ]
)
header_values = st.text(st.characters(max_codepoint=255), max_size=80) | st.sampled_from(
    ["v1," + "A" * 43 + "=", "t=1,v1=" + "0" * 64, "0" * 64, str(int(MOMENT.timestamp())), "Bearer x", "t=,v1=", "²"]
)


@given(st.lists(st.tuples(header_names, header_values), max_size=6), st.binary(max_size=50), st.booleans())
def test_whatever_the_headers_say_a_stranger_is_refused(
    pairs: list[tuple[str, str]], body: bytes, is_semarize: bool
) -> None:
    """Any headers that were not made with the secret end in 401, and in nothing else."""
    raw = [(name.encode(), value.encode("latin-1")) for name, value in pairs]
    with pytest.raises(Refused) as caught:
        prove(SEMARIZE if is_semarize else CLARI_COPILOT, Secrets.parse(SECRET), Headers(raw=raw), body, MOMENT)
    assert caught.value.status == 401
