"""The whole program as a process, on the devnet: it serves, follows, ages, recovers, drains and never lies."""

import csv
import signal
import socket
import sys
import textwrap
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.settings import ANNOUNCED, WITHHELD
from tests.reference import alpha_fee
from tests.service import Service, wait_until

FAST = {"TAIKO_POLL_INTERVAL_SECONDS": "0.1"}


def rpc(url: str, method: str, params: list[object]) -> object:
    answer = httpx.post(url, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, timeout=5)
    body = answer.json()
    assert "result" in body, body
    return body["result"]


def devnet(*arguments: str) -> Service:
    return Service("devnet", "--port", "0", *arguments)


def url_of(service: Service) -> str:
    return str(service.event("devnet_listening")["url"])


def oracle_on(url: str, **environment: str) -> Service:
    return Service("serve", environment={"TAIKO_L1_RPC_URLS": f"node={url}", **FAST, **environment})


def stale_quote(service: Service, *, since_block: int = 0) -> dict[str, Any]:
    def probe() -> dict[str, Any] | None:
        quote = service.quote()
        is_it = quote and quote["status"] == "stale" and quote["l1"]["blockNumber"] >= since_block
        return quote if is_it else None

    return wait_until(probe, "a stale quote")


def expiry(service: Service) -> httpx.Response:
    def probe() -> httpx.Response | None:
        answer = service.get("/v1/fee")
        return answer if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else None

    return wait_until(probe, "the quote's expiry")


def fresh_get(service: Service, path: str) -> httpx.Response:
    return httpx.get(f"{service.event('http_listening')['url']}{path}", timeout=5)


def test_on_the_embedded_devnet_every_answer_says_so() -> None:
    with Service("serve", "--devnet") as service:
        quote = wait_until(service.quote, "a quote")
        assert quote["network"] == "devnet"
        assert quote["status"] == "fresh"
        assert quote["feePerGas"] == alpha_fee(quote["l1"]["baseFeePerGas"])
        for route in ("/v1/status", "/v1/parameters", "/v1/vault", "/livez", "/healthz", "/readyz"):
            answer = service.get(route)
            assert (answer.status_code, answer.json()["network"]) == (200, "devnet"), route
        for route in ("/v1/fee", "/metrics", "/docs", "/openapi.json", "/", "/nowhere"):
            assert service.get(route).headers["taiko-network"] == "devnet", route
        assert 'network="devnet"' in service.get("/metrics").text
        assert service.event("first_quote")["network"] == "devnet"
        assert service.stdout == "", "the log goes to stderr"


def test_the_start_says_what_it_serves_where_from_which_network_with_which_parameters() -> None:
    with Service("serve", "--devnet", environment={"TAIKO_PRESET": "responsive"}) as service:
        assert service.event("http_listening")["url"].startswith("http://127.0.0.1:")
        started = service.event("service_starting")
        assert started["parameters"]["alphaData"] == "0.2"
        assert started["parameters"]["horizonBatches"] == 48
        assert float(service.event("first_quote")["fee_gwei"]) > 0


def test_the_start_says_every_setting_that_is_no_secret_and_who_set_it() -> None:
    token = "a-token-that-no-line-of-the-log-may-hold"  # noqa: S105 - of this test alone
    with Service(
        "serve", "--devnet", environment={"TAIKO_PRESET": "responsive", "TAIKO_ADMIN_TOKEN": token}
    ) as service:
        said = service.event("settings_in_force")
        assert said["network"] == "devnet"
        assert set(said["settings"]) == set(ANNOUNCED)
        assert said["settings"]["TAIKO_ALPHA_DATA"] == {"value": "0.2", "source": "preset"}
        assert set(said["withheld"]) == set(WITHHELD)
        assert list(said["withheld"].items())[-2:] == [
            ("TAIKO_ADMIN_TOKEN", "environment"),
            ("TAIKO_CORS_ORIGINS", "default"),
        ]
        service.event("http_listening")
        assert token not in service.stderr


def test_every_block_of_a_fast_devnet_is_quoted_to_the_wei() -> None:
    with devnet("--scenario", "spike", "--block-time", "0") as node, oracle_on(url_of(node)) as service:
        url = url_of(node)
        for _ in range(15):
            rpc(url, "devnet_mine", ["0x1"])
            block = rpc(url, "eth_getBlockByNumber", ["latest", False])
            assert isinstance(block, dict)
            quote = service.quote_for(int(block["number"], 16))
            assert quote["l1"]["blockHash"] == block["hash"]
            assert quote["feePerGas"] == alpha_fee(int(block["baseFeePerGas"], 16))
            assert quote["next"]["feePerGas"] == alpha_fee(quote["l1"]["nextBaseFeePerGas"])


def test_a_replayed_history_is_quoted_row_by_row() -> None:
    history = Path(__file__).parents[1] / "data" / "l1-basefee-short.csv"
    with history.open(newline="") as file:
        rows = [(int(row["block_number"]), int(row["basefee_wei"])) for row in csv.DictReader(file)]
    with devnet("--replay", str(history), "--block-time", "0") as node, oracle_on(url_of(node)) as service:
        for number, base_fee in rows:
            quote = service.quote_for(number)
            assert quote["l1"]["baseFeePerGas"] == base_fee
            assert quote["feePerGas"] == alpha_fee(base_fee)
            if number < rows[-1][0]:
                assert quote["next"]["feePerGas"] == alpha_fee(rows[number + 1 - rows[0][0]][1])
                rpc(url_of(node), "devnet_mine", ["0x1"])


def test_polls_and_requests_do_not_count_as_blocks() -> None:
    with devnet("--block-time", "0") as node, oracle_on(url_of(node)) as service:
        wait_until(service.quote, "a quote")
        wait_until(lambda: service.get("/v1/status").json()["feed"]["polls"] > 10, "ten polls")
        assert 'taiko_fee_oracle_quotes_total{bound="none"} 1.0' in service.get("/metrics").text
        rpc(url_of(node), "devnet_mine", ["0x3"])
        wait_until(
            lambda: 'taiko_fee_oracle_quotes_total{bound="none"} 4.0' in service.get("/metrics").text, "3 more blocks"
        )


def test_a_fee_follows_the_balance_of_a_vault_on_chain() -> None:
    address = "0x" + "ab" * 20
    with devnet("--block-time", "0") as node:
        url = url_of(node)
        rpc(url, "devnet_setBalance", [address, hex(10 * 10**18)])
        rpc(url, "devnet_mine", ["0x1"])
        with oracle_on(url, TAIKO_VAULT_ADDRESSES=f"l1:{address}", TAIKO_VAULT_TARGET_ETH="12") as service:
            quote = wait_until(service.quote, "a quote")
            assert quote["vault"]["deficitWei"] == str(2 * 10**18)
            assert quote["feePerGas"] == alpha_fee(quote["l1"]["baseFeePerGas"], 2 * 10**18)
            rpc(url, "devnet_setBalance", [address, hex(7 * 10**18)])
            rpc(url, "devnet_mine", ["0x1"])
            quote = service.quote_for(quote["l1"]["blockNumber"] + 1)
            assert quote["feePerGas"] == alpha_fee(quote["l1"]["baseFeePerGas"], 5 * 10**18)


class TestAging:
    LIMITS = {"TAIKO_QUOTE_STALE_AFTER_SECONDS": "2", "TAIKO_QUOTE_EXPIRES_AFTER_SECONDS": "6"}  # noqa: RUF012

    def test_a_standing_head_goes_stale_as_late_and_then_expires(self) -> None:
        with devnet("--block-time", "0") as node, oracle_on(url_of(node), **self.LIMITS) as service:
            service.event("first_quote")
            rpc(url_of(node), "devnet_mine", ["0x1"])
            mined = int(str(rpc(url_of(node), "eth_blockNumber", [])), 16)
            stale = stale_quote(service, since_block=mined)
            assert stale["staleReason"] == "l1_late"
            assert stale["ceilingFeePerGas"] >= stale["feePerGas"]
            expired = expiry(service)
            assert expired.headers["content-type"] == "application/problem+json"
            assert expired.headers["cache-control"] == "no-store"
            assert int(expired.headers["retry-after"]) >= 1
            assert expired.json()["lastQuote"]["quoteId"] == stale["quoteId"]
            assert service.get("/readyz").status_code == 200, "L1 being late takes no replica out"
            assert service.get("/readyz?fresh=true").status_code == 503
            assert service.get("/livez").status_code == 200
            rpc(url_of(node), "devnet_mine", ["0x1"])
            assert wait_until(service.quote, "a quote again")["status"] == "fresh"

    def test_a_killed_node_is_unreachable_and_its_return_is_noticed(self) -> None:
        with devnet("--block-time", "0.5") as node:
            url = url_of(node)
            with oracle_on(url, **self.LIMITS) as service:
                wait_until(service.quote, "a quote")
                node.stop(signal.SIGKILL)
                stale = stale_quote(service)
                assert stale["staleReason"] == "l1_unreachable"
                expiry(service)
                assert len(service.events("poll_failed")) == 1, "the first failure is logged, and no other"
                with Service("devnet", "--port", url.rsplit(":", 1)[1].rstrip("/"), "--block-time", "0.5"):
                    wait_until(service.quote, "a quote from the new node")
                    assert service.event("poll_recovered")["failures"] > 1


class TestEnding:
    @pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_drains_and_exits_0(self, with_signal: signal.Signals) -> None:
        with Service("serve", "--devnet") as service:
            wait_until(service.quote, "a quote")
            assert service.stop(with_signal) == 0
            assert "Traceback" not in service.stderr
            assert service.events("service_stopped")

    def test_while_it_drains_it_is_not_ready_and_still_answers_to_new_connections(self) -> None:
        with Service("serve", "--devnet") as service:
            wait_until(service.quote, "a quote")
            service.process.send_signal(signal.SIGTERM)
            unready = wait_until(
                lambda: answer if (answer := fresh_get(service, "/readyz")).status_code != httpx.codes.OK else None,
                "not being ready",
            )
            assert unready.json()["reasons"] == ["draining"]
            assert fresh_get(service, "/v1/fee").status_code == 200
            assert service.process.wait(8) == 0

    def test_a_second_signal_ends_the_wait(self) -> None:
        with Service("serve", "--devnet") as service:
            wait_until(service.quote, "a quote")
            service.process.send_signal(signal.SIGTERM)
            service.process.send_signal(signal.SIGTERM)
            assert service.process.wait(8) == 0

    def test_a_signal_before_the_first_quote_exits_0_too(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            with oracle_on(url) as service:
                service.event("http_listening")
                assert service.stop() == 0

    @pytest.mark.parametrize("victim", ["poller", "writer", "server"])
    def test_when_one_sibling_dies_the_process_ends_and_answers_no_more(self, victim: str) -> None:
        with Service(command=(sys.executable, "-c", DYING_SIBLING, victim)) as service:
            url = service.event("http_listening")["url"]
            assert service.process.wait(20) == 70
            assert service.event("service_crashed")
            with pytest.raises(httpx.ConnectError):
                httpx.get(f"{url}/v1/fee")


DYING_SIBLING = textwrap.dedent(
    """
    import sys
    from tests.process.dying import main
    sys.exit(main(sys.argv[1]))
    """
)


class TestRefusals:
    def test_without_an_l1_it_does_not_start(self) -> None:
        with Service("serve") as service:
            assert service.process.wait(10) == 3
            assert "TAIKO_L1_RPC_URLS" in service.stderr
            assert "--devnet" in service.stderr
            assert "Traceback" not in service.stderr

    def test_a_port_that_is_taken_is_named(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            with Service("serve", "--devnet", environment={"TAIKO_HTTP_PORT": port}) as service:
                assert service.process.wait(10) == 3
                assert port in service.stderr
                assert "TAIKO_HTTP_PORT" in service.stderr
                assert "Traceback" not in service.stderr

    def test_a_second_worker_is_refused(self) -> None:
        with Service("serve", "--devnet", environment={"WEB_CONCURRENCY": "2"}) as service:
            assert service.process.wait(10) == 3
            assert "WEB_CONCURRENCY" in service.stderr

    def test_a_wrong_setting_is_one_clear_line(self) -> None:
        with Service("serve", "--devnet", environment={"TAIKO_ALPHA_DATA": "a lot"}) as service:
            assert service.process.wait(10) == 3
            assert [line for line in service.stderr.splitlines() if "TAIKO_ALPHA_DATA" in line and "a lot" in line]
            assert "Traceback" not in service.stderr

    def test_a_node_on_another_chain_is_never_used(self) -> None:
        with devnet("--block-time", "0") as node, oracle_on(url_of(node), TAIKO_L1_CHAIN_ID="1") as service:
            assert service.event("poll_failed")["reason"] == "wrong_chain"
            answer = service.get("/v1/fee")
            assert answer.status_code == 503
            assert service.get("/readyz").status_code == 503
            assert service.get("/livez").status_code == 200


def test_a_key_in_the_rpc_url_is_shown_nowhere() -> None:
    secret = "s3cr3tkey"  # noqa: S105
    with devnet("--block-time", "0") as node:
        url = url_of(node).replace("http://", f"http://user:{secret}@").rstrip("/") + f"/{secret}?key={secret}"
        with oracle_on(url) as service:
            service.event("http_listening")
            wait_until(lambda: service.get("/v1/status").json()["feed"]["polls"] > 2, "some polls")
            shown = service.stderr + service.stdout
            for route in ("/v1/fee", "/v1/status", "/v1/parameters", "/v1/vault", "/metrics", "/", "/readyz"):
                shown += service.get(route).text
            assert service.stop() == 0
            assert secret not in shown + service.stderr
