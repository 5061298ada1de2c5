"""What commands ask of the rest of the program."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from app.domain.header import L1Header
from app.domain.network import Network
from app.domain.simulation import SeriesBlock
from app.domain.units import UnixMillis
from app.domain.vault import VaultState
from app.engine.recorded import RecordedBlock
from app.engine.verify import Finding, Verification
from app.research.fetching import Order
from app.settings import LoadedSettings

if TYPE_CHECKING:
    from app.devnet.run import DevnetOptions


class Services(Protocol):
    """What commands ask of the rest of the program."""

    def serve(self, loaded: LoadedSettings, devnet: "DevnetOptions | None") -> int:
        """Run the service until it is told to stop; the exit status."""
        ...

    def run_devnet(self, options: "DevnetOptions") -> int:
        """Run the embedded L1 until it is told to stop; the exit status."""
        ...

    def fetch_head(self, loaded: LoadedSettings) -> tuple[Network, L1Header, VaultState, int]:
        """The L1 head now, with the vault at it and the seconds from block to block. Raises `UpstreamError`."""
        ...

    def verify(
        self,
        loaded: LoadedSettings,
        first: int,
        last: int | None,
        on_finding: Callable[[Finding], None],
        on_progress: Callable[[int], None],
    ) -> Verification:
        """Recompute the journal's blocks `first` to `last`. Raises `StoreError`."""
        ...

    def fetch_header(self, loaded: LoadedSettings, number: int) -> L1Header:
        """The L1's header at this height. Raises `UpstreamError`."""
        ...

    def fetch_history(
        self, loaded: LoadedSettings, order: Order, on_progress: Callable[[int], object]
    ) -> Mapping[str, Any]:
        """Fetch a history into a file; its manifest. Raises `UpstreamError`, `FetchError` and `OSError`."""
        ...

    def journaled_blocks(self, loaded: LoadedSettings) -> Sequence[RecordedBlock]:
        """The blocks of the journal's chain, oldest first, each with its vault as recorded. Raises `StoreError`."""
        ...

    def scenario_blocks(self, scenario: str, seed: int, level: int, blocks: int) -> Iterator[SeriesBlock]:
        """So many blocks of the devnet's demand around a base fee of `level` wei. Raises `InvalidValueError`."""
        ...

    def now(self) -> UnixMillis:
        """Wall-clock time."""
        ...


class BootstrappedServices(Services):
    """The real ones, imported when they are asked for."""

    def serve(self, loaded: LoadedSettings, devnet: "DevnetOptions | None") -> int:
        """See `Services`."""
        from app.bootstrap import serve  # noqa: PLC0415 - brings the web framework and the node library

        return serve(loaded, devnet)

    def run_devnet(self, options: "DevnetOptions") -> int:
        """See `Services`."""
        from app.bootstrap import run_devnet  # noqa: PLC0415 - as above

        return run_devnet(options)

    def fetch_head(self, loaded: LoadedSettings) -> tuple[Network, L1Header, VaultState, int]:
        """See `Services`."""
        from app.bootstrap import fetch_head  # noqa: PLC0415 - as above

        return fetch_head(loaded)

    def verify(
        self,
        loaded: LoadedSettings,
        first: int,
        last: int | None,
        on_finding: Callable[[Finding], None],
        on_progress: Callable[[int], None],
    ) -> Verification:
        """See `Services`."""
        from app.bootstrap import verify  # noqa: PLC0415 - as above

        return verify(loaded, first, last, on_finding, on_progress)

    def fetch_header(self, loaded: LoadedSettings, number: int) -> L1Header:
        """See `Services`."""
        from app.bootstrap import fetch_header  # noqa: PLC0415 - as above

        return fetch_header(loaded, number)

    def fetch_history(
        self, loaded: LoadedSettings, order: Order, on_progress: Callable[[int], object]
    ) -> Mapping[str, Any]:
        """See `Services`."""
        from app.bootstrap import fetch_history  # noqa: PLC0415 - as above

        return fetch_history(loaded, order, on_progress)

    def journaled_blocks(self, loaded: LoadedSettings) -> Sequence[RecordedBlock]:
        """See `Services`."""
        from app.bootstrap import journaled_blocks  # noqa: PLC0415 - as above

        return journaled_blocks(loaded)

    def scenario_blocks(self, scenario: str, seed: int, level: int, blocks: int) -> Iterator[SeriesBlock]:
        """See `Services`."""
        from app.devnet.demand import scenario_blocks  # noqa: PLC0415 - as above

        return scenario_blocks(scenario, seed, level, blocks)

    def now(self) -> UnixMillis:
        """See `Services`."""
        from app.adapters.clock import SystemClock  # noqa: PLC0415 - text needs no clock

        return SystemClock().now()
