"""The command line in this process, on services that stand in for the network."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from app.cli import Services, run
from app.devnet.demand import scenario_blocks
from app.devnet.run import DevnetOptions
from app.domain.header import L1Header
from app.domain.network import Network
from app.domain.simulation import SeriesBlock
from app.domain.units import BlockNumber, Gas, UnixMillis, UnixSeconds, WeiPerGas
from app.domain.vault import NO_VAULT, VaultState
from app.engine.ports import PastBlock, PastBlockSource, UpstreamError
from app.engine.recorded import RecordedBlock, recorded_blocks
from app.engine.verify import Finding, Verification, Verifier
from app.research.fetching import Order, fetched
from app.settings import LoadedSettings
from tests.fakes_store import FakeStore

SECRET = "s3cretK3y"  # noqa: S105 - what must never be shown
NODE = {"TAIKO_L1_RPC_URLS": f"main=https://node.example/{SECRET}"}
MAINNET = Network(l1_chain_id=1, l2_chain_id=167_000)
NOW = UnixMillis(1_764_157_408_500)


def head(age_seconds: int = 5) -> L1Header:
    return L1Header(
        number=BlockNumber(23_882_697),
        hash="0x" + "ab" * 32,
        parent_hash="0x" + "cd" * 32,
        timestamp=UnixSeconds(NOW // 1000 - age_seconds),
        base_fee_per_gas=WeiPerGas(25 * 10**9),
        gas_limit=Gas(60_000_000),
        gas_used=Gas(30_000_000),
    )


class FakePast(PastBlockSource):
    """A chain of headers that follow from one another, at a steady 25 gwei."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []
        self.failure_at: int | None = None
        self.forged: dict[int, L1Header] = {}

    async def chain_id(self) -> int:
        return 1

    async def head(self) -> L1Header:
        return self._header(1_000)

    async def blocks(self, first: BlockNumber, last: BlockNumber) -> Sequence[PastBlock]:
        self.asked.append((first, last))
        if self.failure_at is not None and first <= self.failure_at <= last:
            raise UpstreamError("main", "timeout", "eth_feeHistory: no answer")
        return [PastBlock(self.forged.get(number) or self._header(number), number) for number in range(first, last + 1)]

    def _header(self, number: int) -> L1Header:
        return L1Header(
            number=BlockNumber(number),
            hash=f"0x{number:064x}",
            parent_hash=f"0x{number - 1:064x}",
            timestamp=UnixSeconds(1_700_000_000 + 12 * number),
            base_fee_per_gas=WeiPerGas(25 * 10**9),
            gas_limit=Gas(60_000_000),
            gas_used=Gas(30_000_000),
        )


@dataclass
class FakeServices(Services):
    """Answers `fetch_head` with what it was given, and keeps what it was asked to run."""

    header: L1Header = field(default_factory=head)
    vault: VaultState = NO_VAULT
    network: Network = MAINNET
    block_interval_seconds: int = 12
    failure: UpstreamError | None = None
    served: list[DevnetOptions | None] = field(default_factory=list)
    devnets: list[DevnetOptions] = field(default_factory=list)
    store: FakeStore = field(default_factory=FakeStore)
    past: PastBlockSource = field(default_factory=FakePast)

    def serve(self, loaded: LoadedSettings, devnet: DevnetOptions | None) -> int:
        assert isinstance(loaded, LoadedSettings)
        self.served.append(devnet)
        return 0

    def run_devnet(self, options: DevnetOptions) -> int:
        self.devnets.append(options)
        return 0

    def fetch_head(self, loaded: LoadedSettings) -> tuple[Network, L1Header, VaultState, int]:
        if self.failure is not None:
            raise self.failure
        assert isinstance(loaded, LoadedSettings)
        return self.network, self.header, self.vault, self.block_interval_seconds

    def verify(
        self,
        loaded: object,
        first: int,
        last: int | None,
        on_finding: Callable[[Finding], None],
        on_progress: Callable[[int], None],
    ) -> Verification:
        """Verifies `store`, as the real one does its own."""
        assert isinstance(loaded, LoadedSettings)
        return asyncio.run(self._verify(first, last, on_finding, on_progress))

    async def _verify(
        self,
        first: int,
        last: int | None,
        on_finding: Callable[[Finding], None],
        on_progress: Callable[[int], None],
    ) -> Verification:
        verifier = Verifier(self.store)
        async for finding in verifier.findings(None, first, last, on_progress):
            on_finding(finding)
        return verifier.result

    def fetch_header(self, loaded: LoadedSettings, number: int) -> L1Header:
        if self.failure is not None:
            raise self.failure
        assert loaded.settings.l1_endpoints()
        return replace(self.header, number=BlockNumber(number))

    def fetch_history(
        self, loaded: LoadedSettings, order: Order, on_progress: Callable[[int], object]
    ) -> Mapping[str, Any]:
        assert loaded.settings.l1_endpoints()
        return asyncio.run(fetched(self.past, order, on_progress))

    def journaled_blocks(self, loaded: LoadedSettings) -> Sequence[RecordedBlock]:
        assert isinstance(loaded, LoadedSettings)
        return asyncio.run(recorded_blocks(self.store))

    def scenario_blocks(self, scenario: str, seed: int, level: int, blocks: int) -> Iterator[SeriesBlock]:
        return scenario_blocks(scenario, seed, level, blocks)

    def now(self) -> UnixMillis:
        return NOW


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.out)
        return document


class CommandLine:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.services = FakeServices()

    def __call__(self, *argv: str, environ: Mapping[str, str] | None = None) -> Outcome:
        try:
            status = run(argv, environ or {}, self.services)
        except SystemExit as end:
            status = int(end.code or 0)
        captured = self._capsys.readouterr()
        assert SECRET not in captured.out + captured.err
        return Outcome(status, captured.out, captured.err)
