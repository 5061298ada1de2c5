"""The place where the journal's file lies fails, while a client asks, and works again."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.recorder import Recorder
from tests.service import Service, wait_until
from tests.world.reliability.devnet_chain import (
    PUSHED_VAULT,
    STALE_AFTER_SECONDS,
    DevnetChain,
    base_url,
    catch_up,
    oracle_on,
    push_vault,
    quote_after,
)
from tests.world.reliability.disks import (
    CAN_MOUNT,
    files_of,
    fill,
    locked,
    no_file_beyond,
    read_only,
    set_aside,
    small_disk,
    spoil,
)
from tests.world.reliability.journals import assert_degraded, assert_recovered, rows_of
from tests.world.reliability.store_faults import BLOCK_SECONDS, assert_merged, outlast_a_retry, recorded

BELOW_THE_LEAST_DATABASE_BYTES = 16 * 1024


@pytest.fixture(scope="module")
def one_chain() -> Iterator[DevnetChain]:
    with DevnetChain(BLOCK_SECONDS) as chain:
        yield chain


@pytest.fixture
def chain(one_chain: DevnetChain) -> DevnetChain:
    one_chain.go_on()
    return one_chain


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    directory = tmp_path / "state"
    directory.mkdir()
    return directory / "journal.db"


def at(journal: Path) -> str:
    return f"sqlite:///{journal}"


@contextmanager
def full_disk(_: Service, journal: Path) -> Iterator[None]:
    filler = fill(journal.parent)
    yield
    filler.unlink()


@contextmanager
def file_size_limit(oracle: Service, _: Path) -> Iterator[None]:
    with no_file_beyond(BELOW_THE_LEAST_DATABASE_BYTES, process=oracle.process.pid):
        yield


class TestNoSpace:
    @pytest.fixture
    def journal(self, tmp_path: Path) -> Iterator[Path]:
        if CAN_MOUNT:
            with small_disk(tmp_path / "small") as directory:
                yield directory / "journal.db"
        else:
            yield tmp_path / "journal.db"

    @pytest.mark.parametrize("injected", [full_disk if CAN_MOUNT else file_size_limit, file_size_limit])
    def test_while_nothing_can_be_written_quotes_go_on_and_are_merged_afterwards(
        self, chain: DevnetChain, journal: Path, injected: Callable[[Service, Path], AbstractContextManager[None]]
    ) -> None:
        with oracle_on(chain, at(journal)) as oracle, recorded(oracle, chain) as recorder:
            with injected(oracle, journal):
                assert_degraded(oracle, "full", "unavailable")
                outlast_a_retry(oracle)
            assert_merged(oracle, chain, recorder, at(journal))


class TestReadOnly:
    def test_a_directory_that_turns_read_only_holds_up_no_quote(self, chain: DevnetChain, journal: Path) -> None:
        with oracle_on(chain, at(journal)) as oracle, recorded(oracle, chain) as recorder:
            with ExitStack() as fault:
                with locked(journal):  # what is open for writing stays so: only a new connection meets the fault
                    assert_degraded(oracle, "locked")
                    fault.enter_context(read_only(journal.parent))
                assert_degraded(oracle, "read_only")
                outlast_a_retry(oracle)
            assert_merged(oracle, chain, recorder, at(journal))

    def test_a_start_on_a_read_only_directory_serves_and_the_journal_follows(
        self, chain: DevnetChain, journal: Path
    ) -> None:
        with ExitStack() as stack:
            fault = stack.enter_context(ExitStack())
            fault.enter_context(read_only(journal.parent))
            oracle = stack.enter_context(oracle_on(chain, at(journal)))
            recorder = stack.enter_context(recorded(oracle, chain))
            assert_degraded(oracle, "read_only")
            outlast_a_retry(oracle)
            fault.close()
            assert_merged(oracle, chain, recorder, at(journal))


def test_a_database_that_another_process_holds_stops_no_quote(chain: DevnetChain, journal: Path) -> None:
    with oracle_on(chain, at(journal)) as oracle, recorded(oracle, chain) as recorder:
        with locked(journal):
            assert_degraded(oracle, "locked")
            outlast_a_retry(oracle)
        assert_merged(oracle, chain, recorder, at(journal))


def test_where_the_journal_is_required_there_is_no_quote_without_it(chain: DevnetChain, journal: Path) -> None:
    required = {"TAIKO_JOURNAL_REQUIRED": "true"}
    with oracle_on(chain, at(journal), **required) as oracle:
        first = quote_after(oracle, 0)["l1"]["blockNumber"]
        with Recorder(base_url(oracle)) as recorder:
            with locked(journal):
                refused = wait_until(lambda: refusal(oracle), "a refusal")
                assert refused.json()["type"] == "urn:taiko-fee-oracle:problem:journal-degraded"
                assert refused.json()["reason"] == "locked"
                assert refused.headers["cache-control"] == "no-store"
                assert int(refused.headers["retry-after"]) >= 1
                assert "feePerGas" not in refused.text
                unready = oracle.get("/readyz")
                assert (unready.status_code, unready.json()["reasons"]) == (503, ["journal_degraded"])
                assert oracle.get("/livez").status_code == 200
                outlast_a_retry(oracle)
                rows = rows_of(at(journal))
                assert {answer.body["quoteId"] for answer in recorder.quotes} <= {row.quote_id for row in rows}
            assert_merged(oracle, chain, recorder, at(journal))
        assert oracle.get("/v1/fee").status_code == 200
        assert set(recorder.counts()) == {"fresh", "503"}
        recorder.assert_honest(chain.truth(first), stale_after_seconds=STALE_AFTER_SECONDS)


def refusal(oracle: Service) -> httpx.Response | None:
    answer = oracle.get("/v1/fee")
    return answer if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else None


def test_a_pushed_balance_that_cannot_be_journaled_is_not_taken(chain: DevnetChain, journal: Path) -> None:
    with oracle_on(chain, at(journal), **PUSHED_VAULT) as oracle:
        base_url(oracle)
        wait_until(lambda: push_vault(oracle, 10**19, 1).is_success, "a first balance")
        quote_after(oracle, 0)
        with locked(journal):
            refused = push_vault(oracle, 10**18, 2)
            assert refused.status_code == 503
            assert refused.json()["type"] == "urn:taiko-fee-oracle:problem:journal-degraded"
            assert_degraded(oracle, "locked")
            quote = oracle.quote()
            assert quote is not None
            assert quote["vault"]["balanceWei"] == str(10**19)
        assert_recovered(oracle)
        assert push_vault(oracle, 10**18, 2).is_success
        wait_until(lambda: (oracle.quote() or quote)["vault"]["balanceWei"] == str(10**18), "the second balance")


class TestLostFile:
    def test_a_file_that_is_spoiled_while_it_is_in_use_is_called_corrupt_and_one_in_its_place_is_taken_up(
        self, chain: DevnetChain, journal: Path
    ) -> None:
        with oracle_on(chain, at(journal)) as oracle, recorded(oracle, chain) as recorder:
            outlast = quote_after(oracle, 0)["l1"]["blockNumber"] + 3
            quote_after(oracle, outlast)
            catch_up(oracle, chain)
            before = rows_of(at(journal))
            spoil(journal)
            chain.go_on()
            assert_degraded(oracle, "corrupt")
            outlast_a_retry(oracle)
            set_aside(journal)
            assert_merged(oracle, chain, recorder, at(journal), elsewhere=before)

    def test_a_file_that_is_spoiled_before_the_start_is_called_corrupt_and_quotes_are_served(
        self, chain: DevnetChain, journal: Path
    ) -> None:
        with oracle_on(chain, at(journal)) as earlier:
            quote_after(earlier, quote_after(earlier, 0)["l1"]["blockNumber"] + 3)
            assert earlier.stop() == 0
        spoil(journal)
        with oracle_on(chain, at(journal)) as oracle, recorded(oracle, chain) as recorder:
            assert_degraded(oracle, "corrupt")
            outlast_a_retry(oracle)
            set_aside(journal)
            assert_merged(oracle, chain, recorder, at(journal))

    def test_a_file_that_is_removed_while_it_is_in_use_is_missed_and_made_anew(
        self, chain: DevnetChain, journal: Path
    ) -> None:
        with oracle_on(chain, at(journal)) as oracle, recorded(oracle, chain) as recorder:
            quote_after(oracle, quote_after(oracle, 0)["l1"]["blockNumber"] + 3)
            catch_up(oracle, chain)
            before = rows_of(at(journal))
            for path in files_of(journal):
                path.unlink()
            chain.go_on()
            assert_degraded(oracle, "unavailable")
            assert_merged(oracle, chain, recorder, at(journal), elsewhere=before)
