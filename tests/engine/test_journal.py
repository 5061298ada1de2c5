"""What happens while the store fails: quotes go on, it is said, nothing is lost in silence, and it ends."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest

from app.domain.advance import REORG_WINDOW_BLOCKS
from app.domain.parameters import Parameters
from app.domain.units import Wei
from app.domain.vault import VaultSource, VaultState
from app.engine import journal
from app.engine.chain import REBUILD_BLOCKS
from app.engine.events import EntriesLost, JournalDegraded, JournalRecovered, QuoteMade
from app.engine.ports import JournalState, StoreError, StoreFault, UpstreamError
from tests.engine.rig import Rig, running
from tests.fakes import FakeChain, FakeVault
from tests.fakes_store import FakeDatabase, FakeStore

ETHER = 10**18
FULL = 30_000_000
RATE_LIMITED = Parameters(max_fee_increase=Fraction(1, 100), max_fee_decrease=Fraction(1, 100))
FAULTS = [StoreError(fault, "as told") for fault in StoreFault]
DOWN = StoreError(StoreFault.UNAVAILABLE, "connection refused")


def a_chain(blocks: int = 5) -> FakeChain:
    chain = FakeChain()
    chain.grow(blocks)
    return chain


async def blocks(rig: Rig, count: int) -> None:
    """So many blocks, each polled 12 s after the one before."""
    for _ in range(count):
        rig.chain.grow(gas_used=FULL)
        rig.clock.seconds += 12
        await rig.poll()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda error: error.fault.value)
async def test_whatever_fails_quotes_go_on_it_is_said_once_and_merged_when_it_is_back(fault: StoreError) -> None:
    database, store = FakeDatabase(), FakeStore()
    store.database = database
    async with running(a_chain(), parameters=RATE_LIMITED, store=store) as rig:
        await rig.poll()
        store.fault = fault
        await blocks(rig, 5)
        status = rig.journal.status
        assert (status.state, status.reason, status.spooled) == (JournalState.DEGRADED, fault.fault, 5)
        assert rig.publisher.quotes[-1].header == rig.chain.head
        assert [event.fault for event in rig.events.of(JournalDegraded)] == [fault.fault.value]
        store.fault = None
        await blocks(rig, 3)
        status = rig.journal.status
        assert (status.state, status.reason, status.spooled, status.since) == (JournalState.OK, None, 0, None)
        (recovered,) = rig.events.of(JournalRecovered)
        assert recovered.merged >= 5
    assert [entry.observation.header for entry in database.entries] == rig.chain.headers[-9:]
    assert [entry.claims["quote_id"] for entry in database.entries] == [
        event.quote.quote_id for event in rig.events.of(QuoteMade)
    ]


async def test_it_mends_without_a_new_block() -> None:
    store = FakeStore()
    async with running(a_chain(), store=store) as rig:
        await rig.poll()
        store.fault = DOWN
        await blocks(rig, 1)
        store.fault = None
        rig.clock.seconds += 2
        await rig.poll()
        assert rig.journal.status.state is JournalState.OK
        assert len(store.database.entries) == 2


async def test_a_store_that_fails_is_left_alone_for_ever_longer_and_never_delays_each_quote() -> None:
    store = FakeStore()
    async with running(a_chain(), store=store) as rig:
        await rig.poll()
        store.fault = DOWN
        store.calls.clear()
        for _ in range(100):
            rig.clock.seconds += 1
            await rig.poll()
            rig.chain.grow()
        assert len(store.calls) < 12


async def test_a_store_that_is_down_at_the_start_stops_nothing_and_is_taken_over_later() -> None:
    database, store = FakeDatabase(), FakeStore()
    chain = a_chain(REBUILD_BLOCKS)
    async with running(chain, parameters=RATE_LIMITED, store=FakeStore(database)) as rig:
        await rig.poll()
    store.database, store.fault = database, DOWN
    async with running(chain, parameters=RATE_LIMITED, store=store) as rig:
        assert (await rig.quote()).header == chain.head
        assert rig.journal.status.state is JournalState.DEGRADED
        store.fault = None
        await blocks(rig, 2)
    assert [event.merged for event in rig.events.of(JournalRecovered)] == [2]
    assert [entry.observation.header for entry in database.entries] == chain.headers[-3:]


async def test_a_write_that_succeeded_though_it_was_said_to_fail_is_there_once() -> None:
    store = FakeStore()
    async with running(a_chain(), store=store) as rig:
        await rig.poll()
        store.commits_then_fails = 1
        await blocks(rig, 3)
        assert rig.journal.status.divergences == 0
    headers = [entry.observation.header for entry in store.database.entries]
    assert headers == rig.chain.headers[-4:]


async def test_what_does_not_fit_the_spool_is_counted_as_lost() -> None:
    store = FakeStore()
    async with running(a_chain(), store=store) as rig:
        await rig.poll()
        store.fault = DOWN
        rig.chain.grow(journal.MOST_SPOOLED + 7 - journal.MOST_SPOOLED // 2)
        await rig.poll()
        rig.chain.grow(journal.MOST_SPOOLED // 2)
        await rig.poll()
        assert rig.journal.status.spooled == journal.MOST_SPOOLED
        assert rig.journal.status.lost == 7
        assert sum(event.entries for event in rig.events.of(EntriesLost)) == 7


async def test_at_the_end_what_is_still_spooled_is_tried_once_more_and_then_said_to_be_lost() -> None:
    store = FakeStore()
    async with running(a_chain(), store=store) as rig:
        await rig.poll()
        store.fault = DOWN
        await blocks(rig, 2)
        await rig.journal.close()
        assert [event.entries for event in rig.events.of(EntriesLost)] == [2]
    async with running(a_chain(), store=FakeStore()) as rig:
        await rig.poll()
        await rig.journal.close()
        assert rig.events.of(EntriesLost) == []


async def test_an_entry_that_is_there_by_then_wins_and_the_path_goes_on_from_it() -> None:
    """The store was away for one replica alone, whose vault reading differs from the other's."""
    database, chain = FakeDatabase(), a_chain(REBUILD_BLOCKS)
    state = VaultState(VaultSource.ONCHAIN, Wei(9 * ETHER), Wei(10 * ETHER))
    cut_off, held = FakeStore(database), FakeVault(state)
    async with (
        running(chain, parameters=RATE_LIMITED, vault=held, store=cut_off) as one,
        running(chain, parameters=RATE_LIMITED, vault=FakeVault(state), store=FakeStore(database)) as other,
    ):
        await one.poll()
        await other.poll()
        cut_off.fault = DOWN
        held.failure = UpstreamError("fake", "timeout", "silent")
        await blocks(one, 2)
        await other.poll()
        cut_off.fault, held.failure = None, None
        one.clock.seconds += 30
        await one.poll()
        assert one.journal.status.divergences == 2
        assert len(database.diverging) == 2
        chain.grow()
        assert (await one.quote()).quote_id == (await other.quote()).quote_id
    assert [entry.observation.header for entry in database.entries] == chain.headers[-4:]


async def test_what_was_spooled_after_a_block_that_lost_is_made_anew_from_the_winner() -> None:
    """Written as it was, it would carry a path into the quotes of all that no entry of the store explains."""
    database, chain = FakeDatabase(), a_chain(REBUILD_BLOCKS)
    state = VaultState(VaultSource.ONCHAIN, Wei(5 * ETHER), Wei(10 * ETHER))
    healing = replace(RATE_LIMITED, max_fee_increase=Fraction(1, 20))
    cut_off, emptied = FakeStore(database), FakeVault(state)
    async with (
        running(chain, parameters=healing, vault=emptied, store=cut_off) as one,
        running(chain, parameters=healing, vault=FakeVault(state), store=FakeStore(database)) as other,
    ):
        await one.poll()
        await other.poll()
        cut_off.fault = DOWN
        emptied.balances = dict.fromkeys(range(chain.head.number + 1, chain.head.number + 9), 0)
        await blocks(one, 3)
        await other.poll()
        await blocks(one, 2)
        served = one.publisher.quotes[-1]
        cut_off.fault = None
        one.clock.seconds += 60
        await one.poll()
        assert one.publisher.quotes[-1].header == served.header
        assert one.publisher.quotes[-1] != served
        assert one.journal.status.divergences == 5
        chain.grow()
        emptied.balances = {}
        assert (await other.quote()).quote_id == (await one.quote()).quote_id
    assert [entry.observation.header for entry in database.entries] == chain.headers[-7:]
    assert len(database.diverging) == 5
    for parent, child in pairwise(database.entries):
        assert child.previous.fee == parent.claims["fee_per_gas"]


async def test_a_gap_that_was_met_while_the_store_failed_is_named_when_it_is_back() -> None:
    store = FakeStore()
    chain = a_chain()
    async with running(chain, store=store) as rig:
        await rig.poll()
        store.fault = DOWN
        chain.grow(7_300)
        await rig.poll()
        store.fault = None
        rig.clock.seconds += 30
        await rig.poll()
    assert len(store.database.gaps) == 1


async def test_the_history_is_kept_for_its_days_and_no_longer() -> None:
    store = FakeStore()
    async with running(a_chain(), store=store, history_days=1) as rig:
        await rig.poll()
        rig.chain.grow(300)
        rig.clock.seconds = rig.chain.head.timestamp
        await rig.poll()
        oldest = rig.chain.headers[150].timestamp
        rig.clock.seconds = oldest + 86_400
        rig.chain.grow(seconds=oldest + 86_400 - rig.chain.head.timestamp)
        await rig.poll()
        rig.clock.seconds += 600
        await rig.poll()
        kept = [entry.observation.header.timestamp for entry in store.database.entries]
        assert min(kept) == oldest


async def test_a_host_clock_that_jumps_ahead_does_not_empty_the_journal() -> None:
    store = FakeStore()
    async with running(a_chain(), store=store, history_days=1) as rig:
        await rig.poll()
        rig.chain.grow(300)
        await rig.poll()
        rig.clock.seconds += 400 * 86_400
        rig.chain.grow()
        await rig.poll()
        await rig.poll()
    assert len(store.database.entries) == 302


async def test_many_lost_entries_do_not_push_the_newest_out_of_the_path() -> None:
    """A replica that was cut off for longer than the reorg window, and whose vault readings all lost."""
    database, chain = FakeDatabase(), a_chain(REBUILD_BLOCKS)
    state = VaultState(VaultSource.ONCHAIN, Wei(9 * ETHER), Wei(10 * ETHER))
    cut_off, held = FakeStore(database), FakeVault(state)
    async with (
        running(chain, parameters=RATE_LIMITED, vault=held, store=cut_off) as one,
        running(chain, parameters=RATE_LIMITED, vault=FakeVault(state), store=FakeStore(database)) as other,
    ):
        await one.poll()
        await other.poll()
        cut_off.fault = DOWN
        held.failure = UpstreamError("fake", "timeout", "silent")
        await blocks(one, 2 * REORG_WINDOW_BLOCKS)
        await other.poll()
        cut_off.fault, held.failure = None, None
        one.clock.seconds += 60
        await one.poll()
        assert one.journal.status.divergences == 2 * REORG_WINDOW_BLOCKS
        chain.grow(gas_used=FULL)
        quote = await one.quote()
        assert quote.previous.fee is not None
        assert quote.quote_id == (await other.quote()).quote_id
