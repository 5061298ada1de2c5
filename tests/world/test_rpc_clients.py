"""The fee read by Ethereum clients that know nothing of us: web3.py and Foundry's cast, on the real program."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from web3 import AsyncHTTPProvider, AsyncWeb3, HTTPProvider, Web3
from web3.exceptions import Web3RPCError
from web3.types import RPCEndpoint

from tests.reference import alpha_fee
from tests.service import Service, wait_until

L2_CHAIN_ID = 167_000
FEE_QUOTE = RPCEndpoint("taiko_feeQuote")


def cast_binary() -> Path:
    """Where `make world` puts cast, or what TAIKO_TEST_CAST names. Fails the test where there is none."""
    installed = Path(__file__).parents[2] / "node_modules/@foundry-rs/cast-linux-amd64/bin/cast"
    binary = Path(os.environ.get("TAIKO_TEST_CAST", installed))
    if not os.access(binary, os.X_OK):
        message = f"no cast at {binary}: run make test-world, which installs it"
        raise AssertionError(message)
    return binary


def cast(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(cast_binary()), *arguments, "--rpc-url", url]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@dataclass(frozen=True)
class Standing:
    """The program on an L1 that has stopped, so that the head and its fee stand."""

    service: Service
    fee: int

    @property
    def url(self) -> str:
        return f"{self.service.event('http_listening')['url']}/rpc"


def standing(devnet: Service, **environment: str) -> Service:
    """The program on the devnet, which is then stopped."""
    url = str(devnet.event("devnet_listening")["url"])
    settings = {"TAIKO_L1_RPC_URLS": f"node={url}", "TAIKO_POLL_INTERVAL_SECONDS": "0.1", **environment}
    service = Service("serve", environment=settings)
    wait_until(service.quote, "a quote")
    stop_mining(url)
    return service


def stop_mining(url: str) -> None:
    stopped = Web3(HTTPProvider(url)).provider.make_request(RPCEndpoint("devnet_setIntervalMining"), [0])
    assert stopped["result"] is True


def settled(service: Service) -> int:
    """The fee that is served once the head stands."""
    seen: list[dict[str, Any]] = []

    def probe() -> dict[str, Any] | None:
        quote = service.quote()
        assert quote is not None
        polls = service.get("/v1/status").json()["feed"]["polls"]
        seen.append({"polls": polls, "quote": quote})
        still = [entry for entry in seen if entry["quote"]["quoteId"] == quote["quoteId"]]
        return quote if polls >= still[0]["polls"] + 3 else None

    quote = wait_until(probe, "a head that stands")
    assert quote["feePerGas"] == alpha_fee(quote["l1"]["baseFeePerGas"], 0)
    return int(quote["feePerGas"])


@pytest.fixture(scope="module")
def fresh() -> Iterator[Standing]:
    """The quote stays fresh for the tests' time."""
    with Service("devnet", "--port", "0") as devnet, standing(devnet, TAIKO_QUOTE_STALE_AFTER_SECONDS="170") as service:
        yield Standing(service, settled(service))


@pytest.fixture(scope="module", params=["refused", "allowed"])
def stale(request: pytest.FixtureRequest) -> Iterator[tuple[Standing, bool]]:
    """The quote is stale, and whether that will do for a gas price."""
    allowed = request.param == "allowed"
    settings = {"TAIKO_QUOTE_STALE_AFTER_SECONDS": "1", "TAIKO_JSON_RPC_ALLOW_STALE": "true" if allowed else "false"}
    with Service("devnet", "--port", "0") as devnet, standing(devnet, **settings) as service:
        fee = settled(service)
        wait_until(lambda: (service.quote() or {}).get("status") == "stale", "a stale quote")
        yield Standing(service, fee), allowed


def test_web3_reads_the_gas_price_the_chain_and_the_version(fresh: Standing) -> None:
    client = Web3(HTTPProvider(fresh.url))
    assert client.eth.gas_price == fresh.fee
    assert client.eth.chain_id == L2_CHAIN_ID
    assert client.client_version.startswith("taiko-fee-oracle/")
    assert client.is_connected()


def test_web3_reads_them_asynchronously_too(fresh: Standing) -> None:
    async def read() -> tuple[int, int, str]:
        client = AsyncWeb3(AsyncHTTPProvider(fresh.url))
        try:
            price, chain_id, version = (
                await client.eth.gas_price,
                await client.eth.chain_id,
                await client.client_version,
            )
        finally:
            await client.provider.disconnect()
        return price, chain_id, version

    price, chain_id, version = asyncio.run(read())
    assert (price, chain_id) == (fresh.fee, L2_CHAIN_ID)
    assert version.startswith("taiko-fee-oracle/")


def test_web3_reads_a_batch(fresh: Standing) -> None:
    client = Web3(HTTPProvider(fresh.url))
    with client.batch_requests() as batch:
        batch.add(client.eth._gas_price())
        batch.add(client.eth._chain_id())
        answers: list[Any] = batch.execute()
    assert answers == [fresh.fee, L2_CHAIN_ID]


@pytest.mark.parametrize("params", [[5, 600], {"blocks": 5, "maxAgeSeconds": 600}])
def test_web3_reads_the_whole_quote(fresh: Standing, params: Any) -> None:  # noqa: ANN401 - by position or by name
    answer = Web3(HTTPProvider(fresh.url)).provider.make_request(FEE_QUOTE, params)
    assert answer["result"] == fresh.service.get("/v1/fee?blocks=5&maxAgeSeconds=600").json()


def test_web3_is_told_of_a_method_that_is_not_there(fresh: Standing) -> None:
    with pytest.raises(Web3RPCError) as refused:
        _ = Web3(HTTPProvider(fresh.url)).eth.block_number
    assert refused.value.rpc_response is not None
    assert refused.value.rpc_response["error"]["code"] == -32601


@pytest.mark.parametrize(
    ("arguments", "expected"), [(("gas-price",), None), (("chain-id",), str(L2_CHAIN_ID)), (("client",), None)]
)
def test_cast_reads_what_web3_reads(fresh: Standing, arguments: tuple[str, ...], expected: str | None) -> None:
    done = cast(fresh.url, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    if arguments == ("client",):
        assert done.stdout.startswith("taiko-fee-oracle/")
    else:
        assert done.stdout.strip() == (expected or str(fresh.fee))


def test_cast_reads_the_whole_quote(fresh: Standing) -> None:
    done = cast(fresh.url, "rpc", "taiko_feeQuote", "5")
    assert (done.returncode, done.stderr) == (0, "")
    assert f'"feePerGas":{fresh.fee}' in done.stdout
    assert '"maxFeePerGas"' in done.stdout


def test_a_stale_fee_fails_in_every_client_with_our_reason_unless_the_setting_allows_it(
    stale: tuple[Standing, bool],
) -> None:
    oracle, allowed = stale
    client, by_cast = Web3(HTTPProvider(oracle.url)), cast(oracle.url, "gas-price")
    if allowed:
        assert (by_cast.returncode, by_cast.stdout.strip()) == (0, str(oracle.fee))
        assert client.eth.gas_price == oracle.fee
        return
    assert by_cast.returncode != 0
    assert by_cast.stdout == ""
    assert "-32001" in by_cast.stderr
    assert "The fee cannot be served: the L1 head of the last quote is" in by_cast.stderr
    with pytest.raises(Web3RPCError) as refused:
        _ = client.eth.gas_price
    assert refused.value.rpc_response is not None
    error: Any = refused.value.rpc_response["error"]
    assert error["code"] == -32001
    assert error["data"]["lastQuote"]["feePerGas"] == oracle.fee


def test_a_stale_quote_is_read_whole_with_its_status_by_every_client(stale: tuple[Standing, bool]) -> None:
    oracle, _ = stale
    answer = Web3(HTTPProvider(oracle.url)).provider.make_request(FEE_QUOTE, [])
    assert (answer["result"]["status"], answer["result"]["feePerGas"]) == ("stale", oracle.fee)
    done = cast(oracle.url, "rpc", "taiko_feeQuote")
    assert done.returncode == 0
    assert '"status":"stale"' in done.stdout
