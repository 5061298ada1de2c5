"""The laws of the fee that anybody can check from outside."""

import json
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeVar

from tests.blackbox.oracle import Oracle, events

SAFE = 2**53
PARTS = ("da", "proof", "deficit", "base", "adjustment")
KEYS = {
    "feePerGas", "rawFeePerGas", "bound", "status", "staleReason", "ceilingFeePerGas", "network", "l2ChainId",
    "quoteId", "parametersId", "components", "l1", "next", "vault", "batch", "computedAt", "staleAt", "expiresAt",
}  # fmt: skip
BETWEEN_BLOCKS_SECONDS = 90
Found = TypeVar("Found")


def tag_id_of(quote: dict[str, Any]) -> str:
    """The quote's tag, and its event's id: the ceiling of a stale one belongs to it."""
    ceiling = [] if quote["status"] == "fresh" else [quote["ceilingFeePerGas"]]
    return "-".join(map(str, [quote["quoteId"], quote["status"], *ceiling]))


def soon(probe: Callable[[], Found | None], what: str) -> Found:
    """The first answer of `probe`; fails where none came within several blocks."""
    deadline = time.monotonic() + BETWEEN_BLOCKS_SECONDS
    while time.monotonic() < deadline:
        if (found := probe()) is not None:
            return found
        time.sleep(0.05)
    raise AssertionError(what)


def without_moment(quote: dict[str, Any]) -> dict[str, Any]:
    """The members that hold for as long as the quote does."""
    moment = ("status", "staleReason", "ceilingFeePerGas", "staleAt", "expiresAt")
    return {key: value for key, value in quote.items() if key not in moment}


def numbers(value: object) -> list[int]:
    if isinstance(value, dict):
        return [number for part in value.values() for number in numbers(part)]
    return [value] if isinstance(value, int) and not isinstance(value, bool) else []


def test_every_key_is_always_there_and_every_number_is_exact(oracle: Oracle) -> None:
    answer = oracle.get("/v1/fee")
    quote = json.loads(answer.content, parse_float=str)
    assert quote.keys() == KEYS
    assert quote["components"].keys() == set(PARTS)
    assert all(abs(number) < SAFE for number in numbers(quote))
    for balance in (quote["vault"]["deficitWei"], quote["batch"]["costWei"], quote["batch"]["revenueWei"]):
        assert str(int(balance)) == balance


def test_the_components_sum_to_the_fee(oracle: Oracle) -> None:
    quote = oracle.fee()
    assert sum(quote["components"][part] for part in PARTS) == quote["feePerGas"]
    if quote["bound"] == "none":
        assert quote["feePerGas"] == quote["rawFeePerGas"]


def test_a_batch_costs_and_earns_what_the_parameters_say(oracle: Oracle) -> None:
    def priced() -> tuple[dict[str, Any], dict[str, Any]] | None:
        quote, shown = oracle.fee(), oracle.get("/v1/parameters").json()
        return (quote, shown) if quote["parametersId"] == shown["parametersId"] else None

    quote, shown = soon(priced, "a quote under the parameters in force")
    parameters, batch = shown["parameters"], quote["batch"]
    whole, _, decimals = parameters["alphaData"].partition(".")
    scale = 10 ** len(decimals)
    gas = int(whole + decimals) * parameters["l2GasPerBatch"] + parameters["proofGasPerBatch"] * scale
    assert int(batch["costWei"]) == -(-gas * quote["l1"]["baseFeePerGas"] // scale), "rounded up"
    assert int(batch["revenueWei"]) == quote["feePerGas"] * parameters["l2GasPerBatch"]
    recovery = int(batch["revenueWei"]) / int(batch["costWei"])
    assert abs(batch["costRecoveryRatio"] - recovery) <= 1e-6
    if parameters["controller"] == "alpha":
        assert quote["components"]["da"] == (int(whole + decimals) * quote["l1"]["baseFeePerGas"] // scale)
        assert quote["components"]["proof"] == (
            parameters["proofGasPerBatch"] * quote["l1"]["baseFeePerGas"] // parameters["l2GasPerBatch"]
        )


def test_the_next_blocks_base_fee_is_exact(oracle: Oracle) -> None:
    before = oracle.fee()

    def later() -> dict[str, Any] | None:
        page = oracle.get("/v1/history", params={"limit": 100}).json()
        return next((quote for quote in page["quotes"] if quote["l1"]["parentHash"] == before["l1"]["blockHash"]), None)

    following = soon(later, "the next block's quote")
    assert following["l1"]["blockNumber"] == before["next"]["blockNumber"] == before["l1"]["blockNumber"] + 1
    assert following["l1"]["baseFeePerGas"] == before["l1"]["nextBaseFeePerGas"]
    if (following["parametersId"], following["vault"]) == (before["parametersId"], before["vault"]):
        assert following["feePerGas"] == before["next"]["feePerGas"]


def test_fee_stream_and_history_tell_of_one_quote(oracle: Oracle) -> None:
    def told() -> tuple[dict[str, Any], str, dict[str, Any]] | None:
        with oracle.client.stream("GET", "/v1/fee/stream") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert (answer.headers["cache-control"], answer.status_code) == ("no-store", 200)
            assert answer.headers["taiko-network"]
            name, event_id, streamed = next(events(answer))
        assert name == "quote"
        quote = oracle.fee()
        return (quote, event_id, streamed) if streamed["quoteId"] == quote["quoteId"] else None

    quote, event_id, streamed = soon(told, "the same quote twice")
    assert streamed == quote
    assert event_id == tag_id_of(quote)

    def kept() -> dict[str, Any] | None:
        page = oracle.get("/v1/history", params={"limit": 100}).json()
        return next((past for past in page["quotes"] if past["quoteId"] == quote["quoteId"]), None)

    past = soon(kept, "the quote in the history")
    assert without_moment(quote).items() <= past.items()
    assert past["doubts"] == []


def test_the_stream_tells_of_each_new_quote(oracle: Oracle) -> None:
    with oracle.client.stream("GET", "/v1/fee/stream", timeout=BETWEEN_BLOCKS_SECONDS) as answer:
        told = events(answer)
        quotes = [next(told)[2] for _ in range(3)]
    shape = {"$ref": "#/components/schemas/FeeQuote"}
    for quote in quotes:
        oracle.hold_schema(quote, shape)
    assert all(one["quoteId"] != other["quoteId"] or one != other for one, other in pairwise(quotes))


def test_a_reader_that_has_the_quote_gets_304_and_no_body(oracle: Oracle) -> None:
    def asked() -> bool | None:
        whole = oracle.get("/v1/fee")
        tag = whole.headers["etag"]
        again = oracle.get("/v1/fee", headers={"If-None-Match": f'"other", {tag}'})
        head = oracle.client.head("/v1/fee")
        if head.headers["etag"] != tag or again.status_code != 304:
            return None
        assert again.headers["etag"] == tag
        assert tag == f'W/"{tag_id_of(whole.json())}"'
        assert (head.content, head.headers["content-length"]) == (b"", str(len(whole.content)))
        for answer in (whole, again, head):
            label, _, seconds = answer.headers["cache-control"].partition("=")
            assert label == "max-age"
            assert int(seconds) >= 0
        return True

    assert soon(asked, "three answers of one quote")
    assert oracle.get("/v1/fee", headers={"If-None-Match": 'W/"of-another"'}).status_code == 200
    assert oracle.get("/v1/fee", headers={"If-None-Match": "*"}).status_code == 304


def test_the_ceiling_only_rises_with_the_blocks(oracle: Oracle) -> None:
    def ceilings() -> list[dict[str, Any]] | None:
        quotes = [oracle.fee(blocks=blocks) for blocks in (1, 2, 3, 5, 8, 13, 21, 34, 64)]
        return quotes if len({quote["quoteId"] for quote in quotes}) == 1 else None

    quotes = soon(ceilings, "nine answers of one quote")
    greatest = [quote["maxFeePerGas"] for quote in quotes]
    assert greatest == sorted(greatest)
    assert greatest[0] >= max(quotes[0]["feePerGas"], quotes[0]["next"]["feePerGas"])


def test_a_quote_too_old_for_the_reader_is_not_served_to_it(oracle: Oracle) -> None:
    def refused() -> dict[str, Any] | None:
        answer = oracle.get("/v1/fee", params={"maxAgeSeconds": 1})
        if answer.status_code == 200:
            return None
        assert int(answer.headers["retry-after"]) >= 1
        problem: dict[str, Any] = answer.json()
        return problem

    assert oracle.fee(maxAgeSeconds=86_400)["status"] in {"fresh", "stale"}
    problem = soon(refused, "a head that is over a second old")
    assert (problem["type"], problem["status"]) == ("urn:taiko-fee-oracle:problem:quote-too-old", 503)
    assert problem["ageSeconds"] > 1
    assert problem["lastQuote"]["feePerGas"] >= 0


def test_json_rpc_tells_what_rest_tells(oracle: Oracle) -> None:
    methods = ("eth_gasPrice", "taiko_feeQuote", "eth_chainId", "web3_clientVersion", "no_such")
    batch = [{"jsonrpc": "2.0", "id": method, "method": method} for method in methods]

    def both() -> tuple[dict[str, Any], dict[str, Any]] | None:
        told = {answer["id"]: answer for answer in oracle.rpc(batch)}
        quote = oracle.fee()
        same = quote["status"] == "fresh" and told["taiko_feeQuote"]["result"]["quoteId"] == quote["quoteId"]
        return (told, quote) if same else None

    told, quote = soon(both, "one fresh quote by both")
    assert told["taiko_feeQuote"]["result"] == quote
    assert told["eth_gasPrice"]["result"] == hex(quote["feePerGas"])
    assert told["eth_chainId"]["result"] == hex(quote["l2ChainId"])
    assert told["web3_clientVersion"]["result"]
    assert told["no_such"]["error"]["code"] == -32601
    assert oracle.rpc({"jsonrpc": "2.0", "method": "eth_gasPrice"}) is None, "a notification"
    assert oracle.rpc({"jsonrpc": "1.0", "id": 1, "method": "eth_gasPrice"})["error"]["code"] == -32600
    bounded = oracle.rpc({"jsonrpc": "2.0", "id": 1, "method": "taiko_feeQuote", "params": [3]})["result"]
    assert bounded["maxFeePerGas"] >= bounded["feePerGas"]


def test_the_explanation_is_made_of_the_quotes_own_numbers(oracle: Oracle) -> None:
    quote = oracle.fee(explain="true", blocks=5)
    steps = {step["term"]: step for step in quote["explanation"]}
    assert len(steps) == len(quote["explanation"])
    for part in PARTS:
        if part in steps:
            assert steps[part]["value"] == str(quote["components"][part])
    missing = [part for part in PARTS if part not in steps]
    assert all(quote["components"][part] == 0 for part in missing)
    expected = {
        "fee": quote["feePerGas"], "raw": quote["rawFeePerGas"], "l1BaseFee": quote["l1"]["baseFeePerGas"],
        "next": quote["next"]["feePerGas"], "maxFee": quote["maxFeePerGas"],
        "costRecovery": quote["batch"]["costRecoveryRatio"],
    }  # fmt: skip
    for term, value in expected.items():
        assert steps[term]["value"] == str(value), term


def test_a_what_if_of_what_is_gives_what_is(oracle: Oracle) -> None:
    def both() -> tuple[dict[str, Any], dict[str, Any]] | None:
        what_if = oracle.ask(oracle.operation("post", "/v1/quote"), json={}).json()
        quote = oracle.fee()
        return (what_if, quote) if what_if["l1"]["blockHash"] == quote["l1"]["blockHash"] else None

    what_if, quote = soon(both, "both at one head")
    parameters = oracle.get("/v1/parameters").json()["parameters"]
    has_no_path = parameters["controller"] == "alpha" and quote["bound"] in {"none", "min", "max"}
    if has_no_path and what_if["parametersId"] == quote["parametersId"]:
        assert (what_if["feePerGas"], what_if["components"]) == (quote["feePerGas"], quote["components"])


def test_walking_the_history_meets_every_quote_once(oracle: Oracle) -> None:
    soon(lambda: oracle.get("/v1/history", params={"limit": 5}).json()["next"], "six quotes")
    met: list[dict[str, Any]] = []
    path: str | None = "/v1/history?limit=2"
    while path is not None and len(met) < 50:
        answer = oracle.client.get(path)
        oracle.hold(oracle.operation("get", "/v1/history"), answer)
        page = answer.json()
        met += page["quotes"]
        assert (f'<{page["next"]}>; rel="next"' in answer.headers["link"]) == (page["next"] is not None)
        path = page["next"]
    ids = [quote["quoteId"] for quote in met]
    places = [(quote["l1"]["blockNumber"], quote["sequence"]) for quote in met]
    assert len(ids) == len(set(ids)) >= 5
    assert places == sorted(places, reverse=True)
    rows = oracle.client.get("/v1/history?limit=5", headers={"Accept": "text/csv"}).text.splitlines()
    assert rows[0].startswith("block_number,")
    assert len(rows) == 6


def test_everything_is_of_one_network(oracle: Oracle) -> None:
    quote = oracle.fee()
    for path in ("/v1/status", "/v1/parameters", "/v1/vault", "/v1/alerts", "/v1/history"):
        assert oracle.get(path).json()["network"] == quote["network"], path
    assert {"mainnet": 1, "hoodi": 560048, "sepolia": 11155111}.get(quote["network"], quote["l1"]["chainId"]) == (
        quote["l1"]["chainId"]
    )
    status = oracle.get("/v1/status").json()
    assert status["l2ChainId"] == quote["l2ChainId"]
    vault = oracle.get("/v1/vault").json()
    assert vault["source"] == quote["vault"]["source"]
