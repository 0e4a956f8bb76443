"""Keys and tokens go only to the configured servers, and links of calls only to allowed hosts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.routes import SinkSettings
from copilot_pipeline.delivery.model import DeliveryRequest, SendStatus
from copilot_pipeline.delivery.sinks import SalesforceSink, build_sink
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline_tests.delivery.examples import HOOK, NOW, OPPORTUNITY, RISK, rules, scored
from copilot_pipeline_tests.delivery.test_sinks import deal
from copilot_pipeline_tests.http_servers import ReceivedRequest, Reply, reply, serving

SETTINGS: dict[str, dict[str, str]] = {
    "slack": {"slack_webhook_url": "http://{host}/services/x"},
    "webhook": {"webhook_url": "http://{host}/hook", "webhook_secret": "whsec_c2VjcmV0c2VjcmV0"},
}


@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize("host", ["hooks.example.com", "127.0.0.1.example.com", "127.0.0.1@example.com", "0.0.0.0"])
def test_a_sink_with_a_key_needs_https(kind: Any, host: str) -> None:
    """The sentence names the variable and not its value; loopback is possible."""
    values = {name: value.format(host=host) for name, value in SETTINGS[kind].items()}
    environment = Environment(**values, _env_file=None)  # type: ignore[call-arg, arg-type]
    with pytest.raises(ConfigurationError, match="_URL must begin with https://") as refused:
        build_sink(kind, SinkSettings(kind=kind), environment)
    assert host not in str(refused.value)
    local = {name: value.format(host="127.0.0.1:1") for name, value in SETTINGS[kind].items()}
    build_sink(kind, SinkSettings(kind=kind), Environment(**local, _env_file=None)).close()  # type: ignore[call-arg, arg-type]


@pytest.mark.parametrize("kind", ["salesforce", "hubspot"])
def test_a_crm_with_its_own_variables_needs_https(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that the sink names are not validated with the environment."""
    monkeypatch.setenv("OTHER_URL", "http://crm.example.com")
    monkeypatch.setenv("OTHER_KEY", "key")
    sink = SinkSettings(kind=kind, url_env="OTHER_URL", key_env="OTHER_KEY", client_id_env="OTHER_KEY")
    with pytest.raises(ConfigurationError, match="OTHER_URL must begin with https://"):
        build_sink(kind, sink, Environment(_env_file=None))  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "instance_url",
    [
        "https://evil.example",
        "https://salesforce.com.evil.example",
        "https://evilsalesforce.com",
        "https://org.my.salesforce.com@evil.example",
        "https://evil.example/org.my.salesforce.com",
        "https://evil.example#.my.salesforce.com",
        "https://evil.example\\.my.salesforce.com",
        "http://org.my.salesforce.com",
        "https://org.my.salesforce.com:8443",
        "https://org.my.salesforce.com\n",
        "https://org.my.salesforce.com?x=",
        "http://localhost:{port}",
        "",
        None,
        7,
    ],
)
def test_a_token_is_not_sent_to_other_addresses(instance_url: Any) -> None:
    """The delivery stays queued, and the reason names the setting and not the address."""

    def answer(request: ReceivedRequest) -> Reply:
        port = request.headers["host"].rpartition(":")[2]
        named = instance_url.replace("{port}", port) if isinstance(instance_url, str) else instance_url
        return reply({"access_token": "token", "instance_url": named})

    with serving(answer) as server:
        (result,) = SalesforceSink(server.url, "id", "secret").send([deal(1, Confidence__c=1)])
    assert result.status is SendStatus.RETRY
    assert "SALESFORCE_BASE_URL" in (result.reason or "")
    assert "evil" not in (result.reason or "")
    assert [request.path for request in server.requests] == ["/services/oauth2/token"]


def test_calls_are_linked_only_at_allowed_hosts() -> None:
    """In Slack, in CRM fields and in events; the rest of the message is the same."""
    crm = {**OPPORTUNITY, "map": {"Link__c": "call.review_url", "Title__c": "call.title"}}
    for url, is_linked in (("https://copilot.clari.com/call/1", True), ("https://evil.example/call/1", False)):
        call = scored({"risk_flag": True}, review_url=url, deal_id="006000000000001AAA")
        for rule in rules(RISK, HOOK, crm):
            request = rule.evaluate(call, now=NOW, active_since=NOW)
            assert isinstance(request, DeliveryRequest)
            assert (url in json.dumps(request.payload)) is is_linked
            assert "Northwind" in json.dumps(request.payload)
    (rule,) = rules(RISK, link_hosts=("evil.example",))
    request = rule.evaluate(call, now=NOW, active_since=NOW)
    assert isinstance(request, DeliveryRequest)
    assert "https://evil.example/call/1" in json.dumps(request.payload)
