"""The weekly report by e-mail and Slack: once per recipient and week."""

from __future__ import annotations

import ssl
import sys
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from copilot_pipeline.config.report_delivery import ReportSendSettings, is_email_address, report_mistakes
from copilot_pipeline.delivery.model import Delivery, SendResult, SinkProblem
from copilot_pipeline.delivery.report_delivery import EMAIL_SINK, TeamMessage, WeeklyMessage, enqueue_report
from copilot_pipeline.delivery.sinks.email import EmailSink
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.delivery.email_process import email_dispatcher
from copilot_pipeline_tests.processes import running_process
from copilot_pipeline_tests.smtp_server import SmtpServer, smtp_server

WEEK = date(2026, 3, 2)
TEAM = TeamMessage("Your team", "reports/week-team.html")
MESSAGE = WeeklyMessage(WEEK, "Conversations", "reports/week.html", ["3 calls."], {"max@acme.example": TEAM})
LEADER = "ceo@acme.example"
SETTINGS = ReportSendSettings(leaders=(LEADER,), managers=True, link="https://reports.acme.example")
MAIL = Delivery(7, "msg_7", "", {"to": LEADER, "subject": "A\r\nBcc: x@x", "text": "Hello", "attach": "r/week.html"})


def sent_by(server: SmtpServer, *, login: str = "", scheme: str = "smtp", context: ssl.SSLContext | None = None,
            content: bytes | None = b"<p>") -> SendResult:  # fmt: skip
    """Send one e-mail."""
    url = f"{scheme}://{login}localhost:{server.port}"
    (result,) = EmailSink(url, "reports@acme.example", lambda _: content, context=context).send([MAIL])
    return result


def test_each_recipient_gets_one_message_a_week(database: Database) -> None:
    """Building the report again, or sending again, sends nothing twice; a manager gets the report on the own team."""
    with smtp_server(SmtpServer()) as server:
        dispatcher = email_dispatcher(database, f"smtp://localhost:{server.port}")
        assert enqueue_report(database, MESSAGE, SETTINGS) == 2
        for _ in range(2):
            dispatcher.send()
            assert enqueue_report(database, MESSAGE, SETTINGS) == 0
    leader, manager = sorted(server.messages, key=lambda one: str(one["To"]))
    assert (leader["To"], manager["To"]) == (LEADER, "max@acme.example")
    assert [part.get_filename() for part in leader.walk()][1:] == [None, "week.html"]
    assert [part.get_filename() for part in manager.walk()][1:] == [None, "week-team.html"]
    assert "https://reports.acme.example" in str(manager.get_payload(0))
    assert dispatcher.outbox.counts() == {(EMAIL_SINK, "sent"): 2}


def test_the_headlines_go_to_slack(database: Database) -> None:
    """With the link; characters of Slack's markup are escaped."""
    message = WeeklyMessage(WEEK, "A & B", "f", ["1 <b>"], {})
    assert enqueue_report(database, message, ReportSendSettings(slack="slack", link="https://x.example")) == 1
    with database.connection() as connection:
        row = connection.execute("SELECT payload ->> 'text' FROM copilot_ops.outbox").fetchone()
    assert row == ("A &amp; B: week of 2 March 2026\n\n- 1 &lt;b&gt;\n\nhttps://x.example",)


def test_a_manager_gets_the_own_team_in_slack_with_the_link_to_its_report(database: Database) -> None:
    """However long the text is, the link is not cut off; the channel of all has the link to the whole report."""
    teams = {"Max@acme.example": TeamMessage("Rep: 3 calls\n" * 400, "reports/week-team.html")}
    message = WeeklyMessage(WEEK, "Conversations", "reports/week.html", ["3 calls."], teams)
    send = ReportSendSettings(
        slack="all", slack_of_managers={"max@acme.example": "all"}, link="https://reports.acme.example/{file}"
    )
    assert [enqueue_report(database, message, send) for _ in range(2)] == [2, 0]
    with database.connection() as connection:
        whole, team = connection.execute(
            "SELECT payload ->> 'text' FROM copilot_ops.outbox ORDER BY version"
        ).fetchall()
    assert whole[0].endswith("\n\nhttps://reports.acme.example/week.html")
    assert team[0].startswith("Conversations: week of 2 March 2026, your team\n\nRep: 3 calls\n")
    assert team[0].endswith("…\n\nhttps://reports.acme.example/week-team.html")
    assert report_mistakes(send, {}) != []


@pytest.mark.e2e
def test_a_message_of_a_killed_process_is_not_repeated(database: Database) -> None:
    """Its answer is unknown, so a person decides."""
    enqueue_report(database, MESSAGE, ReportSendSettings(leaders=(LEADER,)))
    stall = threading.Event()
    with smtp_server(SmtpServer(stall=stall)) as server:
        url = f"smtp://localhost:{server.port}"
        command = [sys.executable, "-m", "copilot_pipeline_tests.delivery.email_process", database.url, url]
        with running_process(command) as process:
            assert server.arrived.wait(60)
            process.kill()
        stall.set()
        dispatcher = email_dispatcher(database, url)
        dispatcher.send()
        assert enqueue_report(database, MESSAGE, SETTINGS) == 1  # the manager only
    assert len(server.messages) == 1
    assert dispatcher.outbox.counts()[EMAIL_SINK, "uncertain"] == 1


def test_a_line_break_adds_no_header() -> None:
    """Titles come from the settings, and reach the subject on one line."""
    with smtp_server(SmtpServer()) as server:
        assert sent_by(server).status == "sent"
    (message,) = server.messages
    assert (message["Subject"], message["Bcc"]) == ("A Bcc: x@x", None)
    assert message["Message-ID"] == "<msg_7@acme.example>"


@pytest.mark.parametrize(
    ("server", "status"),
    [
        (SmtpServer(refuse_recipients=550), "failed"),
        (SmtpServer(refuse_recipients=450), "queued"),
        (SmtpServer(loses_answers=True), "uncertain"),
    ],
    ids=["refused", "deferred", "lost answer"],
)
def test_the_answer_decides_whether_it_is_tried_again(server: SmtpServer, status: str) -> None:
    """Refused for good, deferred, or accepted without an answer."""
    with smtp_server(server):
        assert sent_by(server).status == status


def test_without_a_server_or_a_file_nothing_is_sent() -> None:
    """The former is tried again, the latter not."""
    with smtp_server(SmtpServer()) as server:
        assert sent_by(server, content=None).status == "failed"
    assert server.messages == []
    result = sent_by(server)
    assert (result.status, result.problem) == ("queued", SinkProblem.UNAVAILABLE)


def test_credentials_are_sent_over_tls_only_after_the_certificate_is_checked(tmp_path: Path) -> None:
    """A wrong password is the sink's problem; an unknown certificate gets neither password nor message."""
    trusted = certificate(tmp_path)
    offered = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    offered.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with smtp_server(SmtpServer(context=offered, password="p@ss")) as server:
        assert sent_by(server, login="u:p%40ss@", context=trusted).status == "sent"
        assert sent_by(server, login="u:wrong@", context=trusted).problem is SinkProblem.CREDENTIALS
        assert sent_by(server, login="u:p%40ss@").problem is SinkProblem.UNAVAILABLE
    assert server.encrypted == [True]


def certificate(folder: Path) -> ssl.SSLContext:
    """Write a certificate of localhost and its key; return a context that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
    return ssl.create_default_context(cafile=str(folder / "cert.pem"))


def test_addresses_cannot_add_recipients() -> None:
    """One plain address; the server's address names its protocol."""
    for text in ("a@x.example, b@x.example", "a@x.example\nBcc: b@x", "<a@x.example>", "a", ""):
        assert not is_email_address(text)
    with pytest.raises(ValueError, match="e-mail address"):
        ReportSendSettings(leaders=("nobody",))
    with pytest.raises(ConfigurationError, match="SMTP_URL must be"):
        EmailSink("http://mail.example", "a@x.example", lambda _: None)
