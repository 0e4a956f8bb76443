"""Pages of other sites in a real browser, which try everything that a page can do with the address of the UI."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from copilot_pipeline_tests.report.test_page import CHROMIUM, CHROMIUM_ARGUMENTS

if TYPE_CHECKING:  # its import takes longer than those of most tests
    from playwright.sync_api import Browser, Page

FOREIGN_NAME = "rebound.example"  # of another site, with the address 127.0.0.1

_PAGE = """<!DOCTYPE html><title>foreign</title><body>
<img src="{url}/graphql?query={mutation}">
<iframe src="{url}/graphql?query={mutation}"></iframe>
<iframe src="{url}/"></iframe>
<link rel="stylesheet" href="{url}/graphql?query={mutation}"><script src="{url}/graphql?query={mutation}"></script>
<iframe name="sink"></iframe>
<form id="address" method="post" target="sink" action="{url}/graphql?query={mutation}"><input name="a"></form>
<form id="get" method="get" target="sink" action="{url}/graphql"><input name="query" value='{text}'></form>
<form id="plain" method="post" target="sink" enctype="text/plain" action="{url}/graphql">
<input name='{json_start}' value='{json_end}'></form>
<script>
const json = JSON.stringify({{query: `{text}`}}), address = `{url}/graphql?query={mutation}`, done = [];
const attempt = (url, options) => done.push(fetch(url, options).then(
  async answer => answer.type === 'opaque' ? 'opaque' : `${{answer.status}}`, error => 'blocked'));
for (const id of ['address', 'get', 'plain']) document.getElementById(id).submit();
for (const mode of ['no-cors', 'cors', 'same-origin']) for (const credentials of ['include', 'omit']) {{
  attempt(address, {{mode, credentials}});
  attempt(address, {{mode, credentials, method: 'POST', referrerPolicy: 'no-referrer'}});
  attempt(`{url}/graphql`, {{mode, credentials, method: 'POST', body: json}});
  attempt(`{url}/graphql`, {{mode, credentials, method: 'POST', body: new Blob([json])}});
  for (const type of ['application/json', 'text/plain; application/json', 'application/graphql'])
    attempt(`{url}/graphql`, {{mode, credentials, method: 'POST', body: json, headers: {{'content-type': type}}}});
  attempt(`{url}/report_asset_materialization/calls?partition=2026-03-06`, {{mode, credentials, method: 'POST'}});
}}
navigator.sendBeacon(address);
navigator.sendBeacon(`{url}/graphql`, new Blob([json], {{type: 'text/plain'}}));
done.push(new Promise(resolve => {{
  const socket = new WebSocket(`{url}/graphql`.replace('http', 'ws'), 'graphql-ws');
  socket.onopen = () => resolve('websocket opened');
  socket.onerror = () => resolve('blocked');
}}));
window.outcome = Promise.all(done);
</script>
"""


@contextmanager
def foreign_site(url: str, mutation: str) -> Iterator[int]:
    """Serve the page on a port of this machine. `mutation` is what it tries to have executed at the UI's address."""
    start, _, end = json.dumps({"query": mutation, "x": "="}).partition("=")
    page = _PAGE.format(url=url, mutation=quote(mutation), text=mutation, json_start=start, json_end=end).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def browser() -> Iterator[Browser]:
    """Start a Chromium for which a foreign name has the address of this machine."""
    from playwright.sync_api import sync_playwright

    rule = f"--host-resolver-rules=MAP {FOREIGN_NAME} 127.0.0.1"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=[*CHROMIUM_ARGUMENTS, rule])
        yield opened
        opened.close()


def outcomes_of_attacks(opened: Browser, port: int, host: str) -> set[str]:
    """Open the foreign page under a host name; return what its scripts could see."""
    page = opened.new_page()
    page.goto(f"http://{host}:{port}/", wait_until="load")
    found = set(page.evaluate("window.outcome"))
    page.close()
    return found


def execute_in_page(page: Page, query: str, **variables: Any) -> Any:
    """Execute GraphQL as a page of the UI does; return the response, or its status if it has no data."""
    script = """async body => {
      const answer = await fetch('/graphql', {method: 'POST', headers: {'content-type': 'application/json'}, body});
      return answer.ok ? (await answer.json()).data : answer.status;
    }"""
    return page.evaluate(script, json.dumps({"query": query, "variables": variables}))
