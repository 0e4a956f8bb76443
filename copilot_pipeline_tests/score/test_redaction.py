"""Redacted transcripts are scored once, and another policy is never paid for silently."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from copilot_pipeline.config.redaction import RedactionSettings
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.load.call_tables import CallTables
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.postgres import Database
from copilot_pipeline.privacy.redaction.policy import RedactionPolicy
from copilot_pipeline.privacy.redaction.redactor import Redactor
from copilot_pipeline.score.rescore import RescoreService
from copilot_pipeline.score.run_requests import RunTask, SemarizeRunSettings, open_tasks
from copilot_pipeline.score.score_tables import LoadedScores, ScoreTables
from copilot_pipeline.score.transcripts import read_transcripts
from copilot_pipeline.state.rescores import RescoreRequest, Rescores
from copilot_pipeline_tests.score.test_speech import DAY, KIT, Scored, named

SCORING = RedactionPolicy(RedactionSettings(before="scoring"), "2.2")
STORING = RedactionPolicy(RedactionSettings(before="storing"), "2.2")
PSEUDONYMS = RedactionPolicy(RedactionSettings(before="scoring", replace="pseudonym"), "2.2")
TURNS = [
    {"personId": 0, "start": 0, "end": 2, "text": "Hello Lee, this is Dana Ortiz."},
    {"personId": 1, "start": 2, "end": 3, "text": "  "},
    {"personId": 1, "start": 3, "end": 4, "text": "Call me at 415-555-0132, or write to lee@park.example."},
]
PERSONAL = (b"Lee", b"Dana", b"Ortiz", b"Park", b"415-555", b"park.example", b"acme.example")


class Redacted(Scored):
    """One call that is built and scored with changing policies."""

    def __init__(self, database: Database, lake: Lake) -> None:
        super().__init__(database, lake)
        self.store(TURNS)
        self.policy: RedactionPolicy | None = None
        self.withheld = 0

    def use(self, policy: RedactionPolicy | None, name: str = "Dana Ortiz") -> None:
        """Build the call tables with a policy; scoring uses it as well."""
        self.policy = policy
        redactor = Redactor(policy) if policy is not None else None
        tables = CallTables(self.lake, self.database, self.calls, self.runs, named(name), redactor=redactor)
        (loaded,) = tables.build([DAY])
        assert loaded.problem is None

    def register(self) -> list[RunTask]:
        """Return the runs that have not finished."""
        (transcripts,) = read_transcripts(self.lake, DAY, [KIT], with_text=True)
        settings = SemarizeRunSettings(redaction=self.policy.fingerprint if self.policy is not None else "")
        tasks, self.withheld = open_tasks(self.runs, transcripts, DAY, [KIT], settings, set())
        return tasks

    def finish(self, task: RunTask, quotes: list[str]) -> None:
        """Store a result that gives quotes as evidence."""
        answer = {"output": {"bricks": {"a": {"value": 1, "evidence": quotes}}}}
        self.runs.mark_finished(
            task.run,
            run_id="run_1",
            status="succeeded",
            kit_version_id="v",
            duration_ms=1,
            error_code=None,
            error_message=None,
            answer=json.dumps(answer).encode(),
        )

    def load_scores(self) -> LoadedScores:
        """Build the score tables."""
        (loaded,) = ScoreTables(self.lake, self.database, self.runs, self.calls, [KIT]).build([DAY])
        assert (loaded.problem, loaded.unscored) == (None, 0)
        return loaded

    def rescoring(self) -> RescoreService:
        """Scoring again with the present policy."""
        redaction = self.policy.fingerprint if self.policy is not None else ""
        return RescoreService(Rescores(self.database), [KIT], redaction)


@pytest.fixture
def call(database: Database, tmp_path: Path) -> Redacted:
    """A call whose words name its people."""
    return Redacted(database, Lake(str(tmp_path)))


@pytest.mark.parametrize("policy", [SCORING, STORING, PSEUDONYMS])
def test_nothing_personal_is_sent(call: Redacted, policy: RedactionPolicy) -> None:
    """The body of the request has neither names nor addresses nor numbers, and the speakers are told apart."""
    call.use(policy)
    (task,) = call.register()
    assert not [word for word in PERSONAL if word in task.request.body]
    assert b"Rep 1: Hello" in task.request.body
    assert b"Prospect 1: Call me at [PHONE" in task.request.body


def test_only_storing_changes_what_is_stored(call: Redacted) -> None:
    """Before scoring, words are stored as they were said, beside the scored text; before storing, only redacted."""
    call.use(SCORING)
    (row,) = call.rows("SELECT text, redacted_text, redaction FROM copilot.transcripts")
    assert "Dana Ortiz: Hello Lee" in row["text"]
    assert row["redacted_text"].startswith("Rep 1: Hello [PERSON], this is [PERSON].")
    assert row["redaction"] == SCORING.fingerprint == STORING.fingerprint
    call.use(STORING)
    (row,) = call.rows("SELECT text, redacted_text, redaction FROM copilot.transcripts")
    assert row["text"].startswith("Rep 1: Hello [PERSON]")
    assert row["redacted_text"] is None
    stored = call.rows("SELECT speaker, text FROM copilot.utterances ORDER BY seq")
    assert [one["speaker"] for one in stored] == ["Rep 1", "Prospect 1", "Prospect 1"]
    assert not [word for word in PERSONAL if word.decode() in str(stored)]


def test_a_run_is_paid_once_under_one_policy(call: Redacted) -> None:
    """Names change, the call is built again, stored text becomes redacted: the run stays the same one."""
    call.use(SCORING)
    assert call.pay() == 1
    call.use(SCORING, "Dana Reed")
    assert call.pay() == 0
    call.use(STORING, "Dana Reed")
    assert call.pay() == 0


def test_an_unanswered_request_is_repeated_byte_by_byte(call: Redacted) -> None:
    """After a crash before the response, the same redacted text is sent with the same key, whatever names are now."""
    call.use(SCORING)
    (first,) = call.register()
    for name in ("Dana Reed", "Robin Roe"):
        call.use(SCORING, name)
        (again,) = call.register()
        assert again.request == first.request


@pytest.mark.parametrize(
    ("before", "after"), [(None, SCORING), (SCORING, PSEUDONYMS), (SCORING, None), (None, STORING)]
)
def test_switching_the_policy_pays_nothing_silently(
    call: Redacted, before: RedactionPolicy | None, after: RedactionPolicy | None
) -> None:
    """The result stays visible; its price is stated, and paid once when that is requested."""
    call.use(before)
    assert call.pay() == 1
    assert call.rescoring().other_redaction(DAY, DAY).runs == 0
    call.use(after)
    assert call.pay() == 0
    assert call.load_scores().other_redaction == 1
    assert call.rescoring().other_redaction(DAY, DAY).describe() == ("1 Semarize run is paid for again: 1 with deal")
    request = RescoreRequest(DAY, DAY, [("deal", "A1")], other_redaction_than=call.rescoring().redaction)
    assert call.rescoring().cost(request).runs == 1
    rescore_id = call.rescoring().start(request)
    assert call.pay() == 1
    call.rescoring().finish(rescore_id)
    assert call.load_scores().other_redaction == 0
    assert call.rescoring().cost(request).runs == 0
    assert call.rescoring().other_redaction(DAY, DAY).runs == 0
    assert call.pay() == 0


def test_a_text_of_another_policy_is_not_sent(call: Redacted) -> None:
    """If the policy was changed after the call was stored, its run is withheld, and a rescore refuses to start."""
    call.use(None)
    call.policy = SCORING
    assert call.register() == []
    assert call.withheld == 1
    with pytest.raises(ConfigurationError, match="stored before privacy"):
        call.rescoring().start(RescoreRequest(DAY, DAY, [("deal", "A1")]))
    call.use(SCORING)
    (task,) = call.register()
    assert call.withheld == 0
    assert b"Dana" not in task.request.body


def test_an_unsent_request_takes_the_new_policy(call: Redacted) -> None:
    """A run that was registered and not created is sent redacted, not as it was registered; and it is one run."""
    call.use(None)
    (unredacted,) = call.register()
    assert b"Dana" in unredacted.request.body
    call.use(SCORING)
    (redacted,) = call.register()
    assert not [word for word in PERSONAL if word in redacted.request.body]
    assert redacted.run.idempotency_key != unredacted.run.idempotency_key
    assert len(call.rows("SELECT * FROM copilot_ops.semarize_runs")) == 1
    assert [again.request for again in call.register()] == [redacted.request]


def test_a_created_run_of_another_policy_is_read(call: Redacted) -> None:
    """What was paid for is collected, although its text would not be sent any more."""
    call.use(None)
    (task,) = call.register()
    call.runs.mark_created(task.run, "run_1", "queued")
    call.policy = SCORING
    (again,) = call.register()
    assert (again.run.run_id, call.withheld) == ("run_1", 0)


def test_words_are_not_archived_where_stored_text_is_redacted(call: Redacted) -> None:
    """The former text of a scored call is kept, but not its words once stored text is redacted."""
    call.use(None)
    assert call.pay() == 1
    call.use(STORING)
    assert call.rows("SELECT text FROM copilot_ops.replaced_transcripts") == []
    call.use(SCORING)
    call.use(PSEUDONYMS)
    kept = call.rows("SELECT text FROM copilot_ops.replaced_transcripts")
    assert all("Dana" not in row["text"] for row in kept)


def test_quotes_of_the_redacted_text_are_located_in_the_stored_words(call: Redacted) -> None:
    """A quote with a tag has its utterance, time, speaker and words; a quote of the words before redaction as well."""
    call.use(SCORING)
    tags = ["Hello [PERSON], this is [PERSON].", "write to [EMAIL]", "Prospect 1: Call me at [PHONE]"]
    (task,) = call.register()
    call.finish(task, [*tags, "this is Dana Ortiz"])
    call.load_scores()
    rows = call.rows("SELECT seq, start_s, speaker, said, match FROM copilot.evidence ORDER BY position")
    hello, phone = TURNS[0]["text"], TURNS[2]["text"]
    assert rows == [
        {"seq": 0, "start_s": 0, "speaker": "Dana Ortiz", "said": hello, "match": "exact"},
        {"seq": 2, "start_s": 3, "speaker": "Lee Park", "said": phone, "match": "exact"},
        {"seq": 2, "start_s": 3, "speaker": "Lee Park", "said": phone, "match": "exact"},
        {"seq": 0, "start_s": 0, "speaker": "Dana Ortiz", "said": "this is Dana Ortiz", "match": "exact"},
    ]


def test_the_words_that_were_said_are_counted(call: Redacted) -> None:
    """Filters of kits and statistics of speech do not depend on the redaction."""
    call.use(None)
    statement = "SELECT words, talk_seconds, utterances FROM copilot.participants ORDER BY person_id"
    before = call.rows(statement)
    call.use(STORING)
    assert call.rows(statement) == before
    assert [row["words"] for row in before] == [6, 8]
