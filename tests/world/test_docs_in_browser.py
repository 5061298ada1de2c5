"""The pages in a real browser: the documentation shows itself under its own policy, and asks no other host."""

import re
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.service import Service, wait_until
from tests.world.browser import seen


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service("serve", "--devnet") as service:
        wait_until(service.quote, "a quote")
        yield service


@pytest.fixture(scope="module")
def base_url(service: Service) -> str:
    return str(service.client.base_url).rstrip("/")


def test_the_documentation_shows_every_path_and_breaks_none_of_its_own_rules(
    service: Service, base_url: str, tmp_path: Path
) -> None:
    page = seen(f"{base_url}/docs", tmp_path)
    assert set(re.findall(r'data-path="([^"]+)"', page.dom)) == service.get("/openapi.json").json()["paths"].keys()
    assert page.console == []


def test_an_operation_opens_with_its_examples(base_url: str, tmp_path: Path) -> None:
    page = seen(f"{base_url}/docs#/fee/get_fee_v1_fee", tmp_path)
    assert "is-open" in page.dom
    assert "maxAgeSeconds" in page.dom
    assert "ceilingFeePerGas" in page.dom
    assert [line for line in page.console if "escaping deep link whitespace" not in line] == []


def test_the_first_page_shows_the_fee(base_url: str, tmp_path: Path) -> None:
    page = seen(f"{base_url}/", tmp_path)
    assert re.search(r"Fee per L2 gas at L1 block \d+: [0-9.]+ gwei \(fresh", page.dom)
    assert page.console == []


class Careless(BaseHTTPRequestHandler):
    """Serves the documentation's policy over a page that breaks it."""

    def __init__(self, policy: str, *arguments: object) -> None:
        self._policy = policy
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Security-Policy", self._policy)
        self.end_headers()
        self.wfile.write(b"<body style='color:red'><script>document.title = 'let in'</script>")

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def test_a_script_or_style_that_somebody_slips_into_the_page_is_not_run(service: Service, tmp_path: Path) -> None:
    policy = service.get("/docs").headers["content-security-policy"]
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Careless, policy))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        page = seen(f"http://127.0.0.1:{server.server_port}/", tmp_path)
    finally:
        server.shutdown()
        server.server_close()
    assert "<title>" not in page.dom
    for refused in ("Applying inline style", "Executing inline script"):
        assert any(refused in line for line in page.console)
