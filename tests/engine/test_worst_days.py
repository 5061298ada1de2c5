"""What lies, jumping clocks and lost stores leave behind: each once kept the oracle from being right again."""

from dataclasses import replace

import pytest

from app.domain.units import Gas, Wei, WeiPerGas
from app.domain.vault import VaultPlan, VaultSource
from app.engine.events import JournalRestored, QuoteDecided, QuoteMade
from app.engine.ports import JournalState, StoreError, StoreFault
from tests.engine.rig import running
from tests.fakes import FakeChain, ManualClock
from tests.fakes_store import FakeDatabase, FakeStore

PUSHED = VaultPlan(source=VaultSource.PUSH, target=Wei(10**19))


async def test_a_forged_ancestor_that_was_refused_does_not_stand_against_the_true_chain() -> None:
    chain = FakeChain()
    chain.grow(2)
    async with running(chain) as rig:
        await rig.poll()
        true = chain.grow()
        forged = replace(true, gas_used=Gas(1))
        chain.headers[-1] = chain.by_hashes[true.hash] = forged
        chain.grow()
        chain.headers[-1] = replace(chain.head, base_fee_per_gas=WeiPerGas(true.base_fee_per_gas + 1))
        await rig.poll()
        chain.headers[-2:] = [true]
        chain.by_hashes[true.hash] = true
        chain.grow(2, branch="b")
        assert (await rig.quote()).header == chain.head


async def test_a_head_that_was_forged_is_put_right_once_its_child_contradicts_it() -> None:
    chain = FakeChain()
    chain.grow(2)
    async with running(chain) as rig:
        true = chain.head
        chain.headers[-1] = chain.by_hashes[true.hash] = replace(true, gas_used=Gas(1))
        await rig.poll()
        chain.headers[-1] = chain.by_hashes[true.hash] = true
        chain.grow()
        await rig.poll()
        assert (await rig.quote()).header == chain.head


async def test_a_refused_child_makes_no_block_count_twice() -> None:
    chain = FakeChain()
    chain.grow(2)
    async with running(chain) as rig:
        held = (await rig.quote()).header
        true = chain.grow()
        chain.headers[-1] = replace(true, base_fee_per_gas=WeiPerGas(true.base_fee_per_gas + 1))
        await rig.poll()
        chain.headers[-1] = true
        await rig.poll()
        assert [event.quote.header for event in rig.events.of(QuoteMade)] == [held, true]


@pytest.mark.parametrize("jump_seconds", [3600, -3600])
async def test_a_restart_goes_on_from_the_newest_block_though_the_clock_had_jumped(jump_seconds: int) -> None:
    chain, store, clock = FakeChain(), FakeStore(), ManualClock()
    async with running(chain, store=store, clock=clock) as rig:
        chain.grow()
        await rig.poll()
        clock.seconds += jump_seconds
        chain.grow()
        await rig.poll()
        clock.seconds -= jump_seconds
        chain.grow()
        newest = await rig.quote()
    async with running(chain, store=store, clock=clock, known_l1_chain_id=1) as rig:
        await rig.poll()
        assert rig.publisher.quotes[0].quote_id == newest.quote_id
        assert rig.events.of(JournalRestored)[0].head_number == newest.header.number


async def test_a_vault_pushed_to_another_replica_ends_the_wait_for_the_first_report() -> None:
    chain, database = FakeChain(), FakeDatabase()
    chain.grow()
    async with (
        running(chain, store=FakeStore(database), plan=PUSHED) as told,
        running(chain, store=FakeStore(database), plan=PUSHED) as waiting,
    ):
        await told.poll()
        assert await waiting.poll() is None
        await told.oracle.report_vault(Wei(10**18), 1, "keeper")
        await waiting.poll()
        assert (await waiting.quote()).vault.balance == 10**18


async def test_once_the_store_is_back_the_quote_that_won_is_the_one_served() -> None:
    chain, database = FakeChain(), FakeDatabase()
    away = FakeStore(database)
    async with (
        running(chain, store=FakeStore(database), plan=PUSHED) as first,
        running(chain, store=away, plan=PUSHED) as second,
    ):
        await first.poll()
        await first.oracle.report_vault(Wei(10**18), 1, "keeper")
        await second.poll()
        await second.poll()
        await first.oracle.report_vault(Wei(2 * 10**18), 2, "keeper")
        chain.grow()
        away.fault = StoreError(StoreFault.UNAVAILABLE, "gone")
        winner, loser = await first.quote(), await second.quote()
        assert loser.quote_id != winner.quote_id
        away.fault = None
        second.clock.seconds += 60
        assert (await second.quote()).quote_id == winner.quote_id
        assert second.publisher.journals[-1].state is JournalState.OK
        assert [event.quote_id for event in second.events.of(QuoteDecided)] == [winner.quote_id]
