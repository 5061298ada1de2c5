"""What the writer promises: journaled before served, taken over after a death, decided by whoever was first."""

import asyncio
from dataclasses import replace
from fractions import Fraction

import pytest

from app.domain.amendment import Amendment
from app.domain.governance import ReportRefusedError
from app.domain.parameter_set import ParameterSet
from app.domain.parameters import Controller, Parameters
from app.domain.quote import Quote
from app.domain.units import UnixMillis, Wei, WeiPerGas
from app.domain.vault import VaultCondition, VaultPlan, VaultSource, VaultState
from app.engine.chain import GREATEST_CATCH_UP_BLOCKS, REBUILD_BLOCKS
from app.engine.entries import claims_of
from app.engine.events import (
    JournalRestored,
    ParametersChanged,
    QuoteContested,
    QuoteDecided,
    QuoteMade,
    ReorgFollowed,
    VaultReported,
)
from app.engine.ports import NoNetworkError, StoreError, StoreFault, UpstreamError
from tests.engine.rig import Rig, running
from tests.fakes import FakeChain, FakeVault, ManualClock, RecordingPublisher, genesis
from tests.fakes_store import FakeDatabase, FakeStore

ETHER = 10**18
FULL = 30_000_000
RATE_LIMITED = Parameters(max_fee_increase=Fraction(1, 100), max_fee_decrease=Fraction(1, 100))
LEGACY = Parameters(controller=Controller.LEGACY)
PUSHED = VaultPlan(source=VaultSource.PUSH, target=Wei(10 * ETHER))
LOWER = Amendment(changes={"alphaData": "0.16"}, actor="ops", reason="lower")
DOWN = StoreError(StoreFault.UNAVAILABLE, "connection refused")


def a_chain(blocks: int = 5) -> FakeChain:
    chain = FakeChain()
    chain.grow(blocks)
    return chain


def journaled(database: FakeDatabase) -> list[str]:
    """The quote ids in the store, in append order."""
    return [str(entry.claims["quote_id"]) for entry in database.entries]


def made(rig: Rig) -> list[Quote]:
    return [event.quote for event in rig.events.of(QuoteMade)]


class StoreFirst(RecordingPublisher):
    """Fails the test where a quote is served that the store does not hold."""

    def __init__(self, database: FakeDatabase) -> None:
        super().__init__()
        self._database = database

    def publish(self, quote: Quote, computed_at: UnixMillis, base_fee_verified: bool) -> None:  # noqa: FBT001
        assert quote.quote_id in journaled(self._database)
        super().publish(quote, computed_at, base_fee_verified)


async def test_a_quote_is_in_the_store_with_its_inputs_before_it_is_served() -> None:
    database, chain = FakeDatabase(), a_chain()
    publisher = StoreFirst(database)
    async with running(chain, store=FakeStore(database), publisher=publisher) as rig:
        for _ in range(3):
            chain.grow(2, gas_used=FULL)
            await rig.poll()
    assert len(publisher.quotes) == 3
    assert [entry.observation.header for entry in database.entries] == chain.headers[-5:]
    for entry in database.entries:
        assert dict(entry.claims) == claims_of(entry.recomputed())


async def test_a_block_whose_parent_is_known_has_a_proven_base_fee_and_the_first_of_a_chain_has_not() -> None:
    database = FakeDatabase()
    chain = FakeChain(oldest=genesis(number=0))
    async with running(chain, store=FakeStore(database)) as rig:
        await rig.poll()
        chain.grow(2)
        await rig.poll()
        assert rig.publisher.verified == [False, True]
        assert rig.publisher.statuses[-1].base_fee_verified is True
    assert [entry.base_fee_verified for entry in database.entries] == [False, True, True]


class TestAfterADeath:
    async def test_the_path_goes_on_from_the_last_journaled_fee(self) -> None:
        database, chain = FakeDatabase(), a_chain(REBUILD_BLOCKS)
        async with running(chain, parameters=RATE_LIMITED, store=FakeStore(database)) as rig:
            before = await rig.quote()
        chain.grow(3, gas_used=FULL)
        async with running(chain, parameters=RATE_LIMITED, store=FakeStore(database)) as rig:
            await rig.quote()
            quotes = made(rig)
        assert quotes[0].previous.fee == before.price.fee
        assert [quote.header for quote in quotes] == chain.headers[-3:]

    async def test_the_last_quote_is_served_again_at_once_and_counted_by_nobody(self) -> None:
        database, chain = FakeDatabase(), a_chain()
        async with running(chain, store=FakeStore(database)) as rig:
            before = await rig.quote()
        async with running(chain, store=FakeStore(database)) as rig:
            assert await rig.quote() == before
            assert rig.events.of(QuoteMade) == []
            restored = rig.events.of(JournalRestored)[0]
            assert (restored.entries, restored.head_number, restored.discarded) == (1, chain.head.number, 0)
            assert restored.quote == before
        assert len(database.entries) == 1

    async def test_with_a_known_chain_the_last_quote_is_served_before_any_provider_answers(self) -> None:
        database, chain = FakeDatabase(), a_chain()
        async with running(chain, store=FakeStore(database)) as rig:
            before = await rig.quote()
        chain.failure = UpstreamError("fake", "unreachable", "refused")
        later = ManualClock(chain.head.timestamp + 30)
        async with running(chain, store=FakeStore(database), known_l1_chain_id=1, clock=later) as rig:
            loop = asyncio.create_task(rig.poller.run())
            await asyncio.wait_for(rig.publisher.published.wait(), 5)
            loop.cancel()
            assert rig.publisher.quotes == [before]
            assert rig.publisher.statuses == [] or rig.publisher.statuses[-1].network is None

    async def test_a_quote_whose_age_nobody_knows_is_served_only_once_a_provider_gives_its_head(self) -> None:
        """The host's clock was set back: by it, the last quote is from the future, and could be of any age."""
        database, chain = FakeDatabase(), a_chain()
        ahead, back = ManualClock(chain.head.timestamp + 3600), ManualClock(chain.head.timestamp - 3600)
        async with running(chain, store=FakeStore(database), clock=ahead) as rig:
            before = await rig.quote()
        async with running(chain, store=FakeStore(database), known_l1_chain_id=1, clock=back) as rig:
            chain.failure = UpstreamError("fake", "unreachable", "refused")
            assert await rig.poll() is None
            chain.failure = None
            assert await rig.quote() == before

    async def test_an_unreadable_vault_is_held_from_the_journal(self) -> None:
        state = VaultState(VaultSource.ONCHAIN, Wei(7 * ETHER), Wei(10 * ETHER))
        database, chain = FakeDatabase(), a_chain()
        async with running(chain, vault=FakeVault(state), store=FakeStore(database)) as rig:
            await rig.poll()
        chain.grow()
        broken = FakeVault(state, failure=UpstreamError("fake", "timeout", "silent"))
        async with running(chain, vault=broken, store=FakeStore(database)) as rig:
            vault = (await rig.quote()).vault
        assert (vault.balance, vault.condition) == (7 * ETHER, VaultCondition.HELD)

    async def test_a_reorg_during_the_absence_goes_on_from_its_own_parent(self) -> None:
        database, chain = FakeDatabase(), a_chain(REBUILD_BLOCKS)
        async with running(chain, parameters=RATE_LIMITED, store=FakeStore(database)) as rig:
            await rig.poll()
            chain.grow(6, gas_used=FULL)
            await rig.poll()
        parent = next(entry for entry in database.entries if entry.observation.header == chain.headers[-4])
        chain.reorganise(3, branch="b", gas_used=0, blocks=4)
        async with running(chain, parameters=RATE_LIMITED, store=FakeStore(database)) as rig:
            await rig.poll()
            assert made(rig)[0].previous.fee == parent.claims["fee_per_gas"]

    async def test_every_block_of_the_absence_is_journaled_once(self) -> None:
        database, chain = FakeDatabase(), a_chain()
        async with running(chain, store=FakeStore(database)) as rig:
            await rig.poll()
        chain.grow(300)
        async with running(chain, store=FakeStore(database)) as rig:
            await rig.poll()
        assert [entry.observation.header for entry in database.entries] == chain.headers[-301:]
        assert [entry.sequence for entry in database.entries] == list(range(1, 302))
        assert database.gaps == {}

    async def test_an_absence_that_is_too_long_is_a_named_gap(self) -> None:
        database, chain = FakeDatabase(), a_chain()
        async with running(chain, store=FakeStore(database)) as rig:
            await rig.poll()
        held = chain.head.number
        chain.grow(GREATEST_CATCH_UP_BLOCKS + 1)
        async with running(chain, store=FakeStore(database)) as rig:
            await rig.poll()
        (gap,) = database.gaps.values()
        assert (gap.first, gap.last) == (held + 1, chain.head.number - 1)

    async def test_an_entry_that_was_tampered_with_is_not_taken_over(self) -> None:
        database, chain = FakeDatabase(), a_chain(REBUILD_BLOCKS)
        async with running(chain, parameters=RATE_LIMITED, store=FakeStore(database)) as rig:
            await rig.poll()
        honest = database.entries[-1]
        database.entries[-1] = replace(honest, claims={**honest.claims, "fee_per_gas": 1})
        chain.grow()
        async with running(chain, parameters=RATE_LIMITED, store=FakeStore(database)) as rig:
            quote = await rig.quote()
            assert rig.events.of(JournalRestored)[0].discarded == 1
        assert quote.previous.fee != 1

    async def test_what_was_spooled_comes_late_into_the_store_and_is_not_taken_for_the_newest(self) -> None:
        database, chain = FakeDatabase(), a_chain()
        clock = ManualClock(chain.head.timestamp + 30)
        async with running(chain, store=FakeStore(database), clock=clock) as rig:
            await rig.poll()
            clock.seconds += 12
            chain.grow()
            newest = await rig.quote()
        database.entries.reverse()
        async with running(chain, store=FakeStore(database), clock=clock) as rig:
            await rig.poller.poll()
            assert rig.publisher.quotes[0] == newest


class TestReplicas:
    async def test_that_start_at_different_times_serve_the_same_quotes_from_one_store(self) -> None:
        database, chain = FakeDatabase(), a_chain(REBUILD_BLOCKS)
        async with running(chain, parameters=RATE_LIMITED, store=FakeStore(database)) as early:
            await early.poll()
            chain.grow(70, gas_used=FULL)
            await early.poll()
            async with running(chain, parameters=RATE_LIMITED, store=FakeStore(database)) as late:
                for _ in range(10):
                    assert (await late.quote()).quote_id == (await early.quote()).quote_id
                    chain.grow(gas_used=0)
        assert database.diverging == {}

    async def test_on_stores_of_their_own_agree_once_their_paths_meet(self) -> None:
        chain = a_chain(REBUILD_BLOCKS)
        async with running(chain, parameters=RATE_LIMITED) as early:
            await early.poll()
            chain.grow(4, gas_used=FULL)
            await early.poll()
            async with running(chain, parameters=RATE_LIMITED) as late:
                await late.poll()
                for _ in range(60):
                    chain.grow()
                    await early.poll()
                    await late.poll()
                assert (await late.quote()).quote_id == (await early.quote()).quote_id

    async def test_the_first_to_journal_a_head_decides_it(self) -> None:
        """One holds its vault, the other reads it: both serve what the first one wrote."""
        database, chain = FakeDatabase(), a_chain()
        state = VaultState(VaultSource.ONCHAIN, Wei(7 * ETHER), Wei(10 * ETHER))
        first, second = FakeVault(state), FakeVault(state)
        async with (
            running(chain, vault=first, store=FakeStore(database)) as one,
            running(chain, vault=second, store=FakeStore(database)) as other,
        ):
            await one.poll()
            await other.poll()
            chain.grow()
            first.failure = UpstreamError("fake", "timeout", "silent")
            ours, theirs = await one.quote(), await other.quote()
            assert theirs.quote_id == ours.quote_id
            assert theirs.vault.condition is VaultCondition.HELD
            assert [event.block_number for event in other.events.of(QuoteDecided)] == [chain.head.number]
        assert database.diverging == {}

    async def test_an_entry_with_another_header_under_the_true_hash_decides_nothing(self) -> None:
        """Another instance, on a chain where people may set base fees, believed a liar: its number is not ours."""
        database, truth = FakeDatabase(), FakeChain(chain_id=31337)
        truth.grow(5)
        lie = replace(truth.head, base_fee_per_gas=WeiPerGas(1))
        liar = FakeChain(chain_id=31337)
        for header in truth.headers[1:-1]:
            liar.put(header)
        async with running(liar, store=FakeStore(database)) as misled:
            await misled.poll()
            liar.put(lie)
            assert (await misled.quote()).header == lie
        async with running(truth, store=FakeStore(database)) as rig:
            assert (await rig.quote()).header == truth.head
            assert len(rig.events.of(QuoteContested)) == 1
            assert rig.events.of(ReorgFollowed) == []
        assert len(database.diverging) == 1

    async def test_a_head_that_another_provider_shows_otherwise_under_the_same_hash_is_quoted_anew(self) -> None:
        truth = FakeChain(chain_id=31337)
        truth.grow(5)
        async with running(truth) as rig:
            honest = truth.head
            truth.headers[-1] = replace(honest, base_fee_per_gas=WeiPerGas(1))
            await rig.poll()
            truth.headers[-1] = honest
            assert (await rig.quote()).header == honest
            assert await rig.quote() is await rig.quote()

    async def test_an_entry_that_was_tampered_with_decides_nothing_and_ours_is_kept_beside_it(self) -> None:
        database, chain = FakeDatabase(), a_chain()
        async with (
            running(chain, store=FakeStore(database)) as one,
            running(chain, store=FakeStore(database)) as other,
        ):
            await one.poll()
            await other.poll()
            chain.grow()
            served = await one.quote()
            written = database.entries[-1]
            database.entries[-1] = replace(written, claims={**written.claims, "quote_id": "f" * 32, "fee_per_gas": 1})
            assert await other.quote() == served
            assert len(other.events.of(QuoteContested)) == 1
        assert len(database.diverging) == 1

    async def test_a_parameter_change_governs_both_from_the_same_head(self) -> None:
        database, chain = FakeDatabase(), a_chain()
        async with (
            running(chain, store=FakeStore(database)) as one,
            running(chain, store=FakeStore(database)) as other,
        ):
            await one.poll()
            await other.poll()
            chosen = ParameterSet().changed({"alphaData": "0.16"})
            change = (await one.oracle.change_parameters(LOWER)).change
            assert change is not None
            assert change.from_block == chain.head.number + 1
            before = await other.quote()
            chain.grow()
            after = await other.quote()
            assert (await one.quote()).quote_id == after.quote_id
            assert before.parameters_id != after.parameters_id == chosen.parameters.parameters_id
            assert other.publisher.governances[-1].change == change
            assert [event.is_new for event in other.events.of(ParametersChanged)][-1] is True

    async def test_a_pushed_vault_governs_both_from_the_same_head(self) -> None:
        database, chain = FakeDatabase(), a_chain()
        async with (
            running(chain, plan=PUSHED, store=FakeStore(database)) as one,
            running(chain, plan=PUSHED, store=FakeStore(database)) as other,
        ):
            await one.poll()
            await one.oracle.report_vault(Wei(9 * ETHER), 1, "treasury")
            await one.poll()
            await other.poll()
            await one.oracle.report_vault(Wei(8 * ETHER), 2, "treasury")
            chain.grow()
            quotes = [await other.quote(), await one.quote()]
            assert quotes[0].quote_id == quotes[1].quote_id
            assert quotes[0].vault.balance == 8 * ETHER

    async def test_the_first_pushed_balance_reaches_the_one_that_was_not_told(self) -> None:
        """It has no quote to journal, so nothing but a look at the store can tell it."""
        database, chain = FakeDatabase(), a_chain()
        async with (
            running(chain, plan=PUSHED, store=FakeStore(database)) as one,
            running(chain, plan=PUSHED, store=FakeStore(database)) as other,
        ):
            await one.poll()
            await other.poll()
            await one.oracle.report_vault(Wei(9 * ETHER), 1, "treasury")
            await other.poll()
            assert (await other.quote()).quote_id == (await one.quote()).quote_id


class TestTheEnvironment:
    async def test_a_change_by_a_person_outlives_a_restart(self) -> None:
        database, chain = FakeDatabase(), a_chain()
        async with running(chain, store=FakeStore(database)) as rig:
            await rig.poll()
            await rig.oracle.change_parameters(LOWER)
        chain.grow()
        async with running(chain, store=FakeStore(database)) as rig:
            assert (await rig.quote()).formula.parameters.alpha_data == Fraction(16, 100)
            assert [event.is_new for event in rig.events.of(ParametersChanged)] == [False]

    async def test_that_changed_wins_at_the_next_start_and_the_trail_says_so(self) -> None:
        database, chain = FakeDatabase(), a_chain()
        async with running(chain, store=FakeStore(database)) as rig:
            await rig.poll()
            await rig.oracle.change_parameters(LOWER)
        chain.grow()
        async with running(chain, parameters=RATE_LIMITED, store=FakeStore(database)) as rig:
            quote = await rig.quote()
        assert quote.formula.parameters == RATE_LIMITED
        newest = database.changes[quote.network][-1]
        assert (newest.number, newest.actor) == (3, "environment")
        assert newest.reason is not None

    async def test_governs_also_where_the_store_can_be_read_and_not_written(self) -> None:
        database, chain = FakeDatabase(), a_chain()
        async with running(chain, store=FakeStore(database)) as rig:
            await rig.poll()
        chain.grow()
        async with running(
            chain, parameters=Parameters(alpha_data=Fraction(1, 2)), store=FakeStore(database, is_read_only=True)
        ) as rig:
            quote = await rig.quote()
            assert quote.formula.parameters.alpha_data == Fraction(1, 2)
            assert rig.publisher.governances[-1].change is None
            assert rig.journal.is_degraded

    async def test_governs_from_the_next_head_and_not_the_one_that_was_quoted(self) -> None:
        database, chain = FakeDatabase(), a_chain()
        async with running(chain, store=FakeStore(database)) as rig:
            before = await rig.quote()
        async with running(chain, parameters=Parameters(alpha_data=Fraction(1, 2)), store=FakeStore(database)) as rig:
            assert (await rig.quote()).quote_id == before.quote_id
            chain.grow()
            assert (await rig.quote()).formula.parameters.alpha_data == Fraction(1, 2)


class TestAPushedVault:
    async def test_that_nobody_has_pushed_is_unknown_and_never_zero(self) -> None:
        chain = a_chain()
        async with running(chain, plan=PUSHED) as rig:
            assert await rig.poll() is None
            assert rig.publisher.statuses[-1].vault_failure_reason == "not_pushed"
            await rig.oracle.report_vault(Wei(9 * ETHER), 1, "treasury")
            quote = await rig.quote()
            assert quote.vault.deficit == ETHER
            assert rig.publisher.statuses[-1].vault_failure_reason is None

    async def test_governs_from_the_next_head(self) -> None:
        chain = a_chain()
        async with running(chain, plan=PUSHED) as rig:
            await rig.poll()
            await rig.oracle.report_vault(Wei(9 * ETHER), 1, "treasury")
            before = await rig.quote()
            report = await rig.oracle.report_vault(Wei(5 * ETHER), 2, "treasury")
            assert (await rig.quote()) == before
            assert report.from_block == chain.head.number + 1
            chain.grow()
            assert (await rig.quote()).vault.balance == 5 * ETHER

    async def test_refuses_a_replay_and_takes_an_identical_repeat(self) -> None:
        chain = a_chain()
        async with running(chain, plan=PUSHED) as rig:
            await rig.poll()
            first = await rig.oracle.report_vault(Wei(9 * ETHER), 5, "treasury")
            assert await rig.oracle.report_vault(Wei(9 * ETHER), 5, "treasury") == first
            for balance, sequence in ((9 * ETHER, 4), (8 * ETHER, 5)):
                with pytest.raises(ReportRefusedError):
                    await rig.oracle.report_vault(Wei(balance), sequence, "treasury")
            assert [event.report.sequence for event in rig.events.of(VaultReported)] == [5]

    async def test_that_is_too_old_is_expired_and_still_priced(self) -> None:
        chain, clock = a_chain(), ManualClock(1_700_000_060)
        plan = replace(PUSHED, max_age_seconds=60)
        async with running(chain, plan=plan, clock=clock) as rig:
            await rig.poll()
            await rig.oracle.report_vault(Wei(9 * ETHER), 1, "treasury")
            chain.grow(4)
            assert (await rig.quote()).vault.condition is VaultCondition.CURRENT
            chain.grow(4)
            vault = (await rig.quote()).vault
            assert (vault.condition, vault.balance) == (VaultCondition.EXPIRED, 9 * ETHER)

    async def test_is_not_taken_while_the_chain_is_unknown_or_the_store_fails(self) -> None:
        chain, store = a_chain(), FakeStore()
        async with running(chain, plan=PUSHED, store=store) as rig:
            with pytest.raises(NoNetworkError):
                await rig.oracle.report_vault(Wei(9 * ETHER), 1, "treasury")
            await rig.poll()
            store.fault = DOWN
            with pytest.raises(StoreError):
                await rig.oracle.report_vault(Wei(9 * ETHER), 1, "treasury")
            assert rig.oracle.governance.report is None

    async def test_and_its_sequence_outlive_a_restart(self) -> None:
        database, chain = FakeDatabase(), a_chain()
        async with running(chain, plan=PUSHED, store=FakeStore(database)) as rig:
            await rig.poll()
            await rig.oracle.report_vault(Wei(9 * ETHER), 5, "treasury")
        async with running(chain, plan=PUSHED, store=FakeStore(database)) as rig:
            assert (await rig.quote()).vault.balance == 9 * ETHER
            with pytest.raises(ReportRefusedError):
                await rig.oracle.report_vault(Wei(8 * ETHER), 5, "treasury")
