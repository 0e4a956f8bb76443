"""Authentication: the published example, rotation, time limits, and arbitrary headers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from copilot_pipeline.receiver import CLARI_COPILOT, SEMARIZE
from copilot_pipeline.receiver.auth import MAX_SIGNATURES, TOLERANCE_SECONDS, Secrets, authenticate
from copilot_pipeline.receiver.errors import RequestRejected
from copilot_pipeline_tests.receiver.signing import SECRET, signed, standard

MOMENT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
BODY = b'{"call_id": "c1"}'


def set_clock(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    """Set the clock of the Standard Webhooks library, which reads the time itself."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Clock:
            return cls.fromtimestamp(moment.timestamp(), tz)

    monkeypatch.setattr("standardwebhooks.webhooks.datetime", Clock)


def test_accepts_the_published_example_of_standard_webhooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Secret, id, timestamp, body and signature as in the specification; other signatures beside it are ignored."""
    set_clock(monkeypatch, datetime.fromtimestamp(1614265330, UTC))
    result = authenticate(
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
    assert result.signature_hash is not None
    assert result.message_hash is not None


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_accepts_timestamps_within_five_minutes(seconds: int) -> None:
    """The limits are inclusive; a signature is kept until well after it has expired."""
    sent_at = MOMENT + timedelta(seconds=seconds)
    headers = Headers(signed(BODY, at=str(int(sent_at.timestamp()))))
    result = authenticate(CLARI_COPILOT, Secrets.parse(SECRET), headers, BODY, MOMENT)
    assert result.expires_at > sent_at + timedelta(seconds=300)


@pytest.mark.parametrize("seconds", [-301, 301])
def test_rejects_timestamps_beyond_five_minutes(seconds: int) -> None:
    """In the past and in the future."""
    sent_at = MOMENT + timedelta(seconds=seconds)
    headers = Headers(signed(BODY, at=str(int(sent_at.timestamp()))))
    with pytest.raises(RequestRejected) as caught:
        authenticate(CLARI_COPILOT, Secrets.parse(SECRET), headers, BODY, MOMENT)
    assert caught.value.code == "wrong_time"


def test_accepts_signatures_by_the_text_of_a_whsec_secret() -> None:
    """Some senders use the text of a `whsec_` secret as the key, as openssl does."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    headers = Headers(signed(BODY, secret=secret, at=str(int(MOMENT.timestamp()))))
    assert authenticate(CLARI_COPILOT, Secrets.parse(secret), headers, BODY, MOMENT).signature_hash


class TestStandardWebhooks:
    """The branch that the library verifies."""

    @pytest.fixture(autouse=True)
    def _clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        set_clock(monkeypatch, MOMENT)

    @staticmethod
    def sign(*, secret: str = SECRET, seconds: int = 0, body: bytes = BODY) -> dict[str, str]:
        """Headers of a request that was sent this many seconds from the test's time."""
        return standard(body, secret=secret, at=str(int(MOMENT.timestamp()) + seconds), name="msg_1")

    @staticmethod
    def rejection(headers: Headers | dict[str, str], *, secrets: str = SECRET, body: bytes = BODY) -> tuple[int, str]:
        """Status and code of the rejection."""
        with pytest.raises(RequestRejected) as caught:
            authenticate(CLARI_COPILOT, Secrets.parse(secrets), Headers(headers), body, MOMENT)
        return caught.value.status, caught.value.code

    @pytest.mark.parametrize("secret", ["the-old-secret-012345", "the-new-secret-012345"])
    def test_accepts_both_secrets_during_rotation(self, secret: str) -> None:
        """In either order of the setting."""
        headers = Headers(self.sign(secret=secret))
        for setting in ("the-old-secret-012345 the-new-secret-012345", "the-new-secret-012345 the-old-secret-012345"):
            assert authenticate(CLARI_COPILOT, Secrets.parse(setting), headers, BODY, MOMENT).signature_hash

    def test_accepts_one_matching_signature_of_several(self) -> None:
        """A sender that rotates its secret signs with both; versions and malformed parts are ignored."""
        headers = self.sign()
        wrong = self.sign(secret="another-secret-0123")["webhook-signature"]
        headers["webhook-signature"] = f"v1a,xx v1 v1,,, v1,short {wrong} {headers['webhook-signature']}"
        assert authenticate(CLARI_COPILOT, Secrets.parse(SECRET), Headers(headers), BODY, MOMENT).signature_hash

    def test_compares_a_limited_number_of_signatures(self) -> None:
        """A header with thousands of signatures does not cost thousands of comparisons."""
        headers = self.sign()
        wrong = self.sign(secret="another-secret-0123")["webhook-signature"]
        headers["webhook-signature"] = " ".join([wrong] * MAX_SIGNATURES + [headers["webhook-signature"]])
        assert self.rejection(headers) == (401, "wrong_signature")

    def test_gives_all_encodings_of_a_signature_the_same_hash(self) -> None:
        """So that the inbox detects a replay whose headers differ only in form."""
        plain = self.sign()
        timestamp = plain["webhook-timestamp"]
        zeros = {**plain, "webhook-timestamp": f"00{timestamp}"}
        several = {**plain, "webhook-signature": f"v2,x {plain['webhook-signature']}"}
        result = [
            authenticate(CLARI_COPILOT, Secrets.parse(SECRET), Headers(headers), BODY, MOMENT)
            for headers in (plain, zeros, several)
        ]
        assert len({one.signature_hash for one in result}) == 1

    @pytest.mark.parametrize("seconds", [-TOLERANCE_SECONDS, TOLERANCE_SECONDS])
    def test_accepts_timestamps_within_five_minutes(self, seconds: int) -> None:
        """The limits are inclusive."""
        headers = Headers(self.sign(seconds=seconds))
        assert authenticate(CLARI_COPILOT, Secrets.parse(SECRET), headers, BODY, MOMENT).signature_hash

    @pytest.mark.parametrize("seconds", [-TOLERANCE_SECONDS - 1, TOLERANCE_SECONDS + 1])
    def test_rejects_timestamps_beyond_five_minutes(self, seconds: int) -> None:
        """In the past and in the future."""
        assert self.rejection(self.sign(seconds=seconds)) == (401, "wrong_time")

    def test_accepts_non_ascii_ids(self) -> None:
        """An id is signed as the bytes that are sent, whatever the header's encoding."""
        headers = standard(BODY, at=str(int(MOMENT.timestamp())), name="msg_é")
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        assert authenticate(CLARI_COPILOT, Secrets.parse(SECRET), Headers(raw=raw), BODY, MOMENT).message_hash

    @pytest.mark.parametrize(
        ("change", "body", "code"),
        [
            ({"webhook-signature": "v1,"}, BODY, "wrong_signature"),
            ({"webhook-signature": ""}, BODY, "wrong_signature"),
            ({"webhook-id": "msg_2"}, BODY, "wrong_signature"),
            ({"webhook-id": ""}, BODY, "no_timestamp"),
            ({"webhook-timestamp": "1e9"}, BODY, "wrong_timestamp"),
            ({"webhook-timestamp": str(int(MOMENT.timestamp()) - 1)}, BODY, "wrong_signature"),
            ({}, BODY + b" ", "wrong_signature"),
            ({}, b"\xff", "wrong_signature"),
        ],
    )
    def test_rejects_changed_requests(self, change: dict[str, str], body: bytes, code: str) -> None:
        """Every signed part is protected."""
        assert self.rejection({**self.sign(), **change}, body=body) == (401, code)

    def test_rejects_signatures_with_an_empty_key(self) -> None:
        """A secret that is only the prefix encodes the empty key, with which anyone could sign."""
        assert self.rejection(self.sign(secret=""), secrets="whsec_") == (401, "wrong_signature")


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
def test_rejects_any_headers_that_were_not_made_with_the_secret(
    pairs: list[tuple[str, str]], body: bytes, is_semarize: bool
) -> None:
    """The result is always 401, and never another error."""
    raw = [(name.encode(), value.encode("latin-1")) for name, value in pairs]
    with pytest.raises(RequestRejected) as caught:
        authenticate(SEMARIZE if is_semarize else CLARI_COPILOT, Secrets.parse(SECRET), Headers(raw=raw), body, MOMENT)
    assert caught.value.status == 401
