"""Poll by poll: what the oracle serves as the chain grows, stands, reorganises and fails."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest

from app.domain.advance import REORG_WINDOW_BLOCKS
from app.domain.formula import FeeFormula
from app.domain.freshness import StaleReason
from app.domain.header import L1Header
from app.domain.parameters import Controller, Parameters
from app.domain.units import BlockNumber, Wei, WeiDelta, WeiPerGas
from app.domain.vault import VaultCondition, VaultPlan, VaultSource, VaultState
from app.engine.chain import (
    CONTRADICTION_SECONDS,
    GREATEST_CATCH_UP_BLOCKS,
    REBUILD_BLOCKS,
    STEP_BLOCKS,
    ChainFollower,
)
from app.engine.events import (
    HeaderRejected,
    HeadStood,
    HeadWentBack,
    PathRebuilt,
    PollFailed,
    PollSucceeded,
    QuoteMade,
    ReorgFollowed,
    VaultReadable,
    VaultUnreadable,
)
from app.engine.ports import FeedView, UpstreamError
from tests.engine.rig import running
from tests.fakes import EventLog, FakeChain, FakeVault, ManualClock, genesis

UNREACHABLE = UpstreamError("fake", "unreachable", "connection refused")
RATE_LIMITED = Parameters(max_fee_increase=Fraction(1, 100), max_fee_decrease=Fraction(1, 100))
ETHER = 10**18
FULL = 30_000_000


def vault_of(balance: int, target: int = 10 * ETHER) -> FakeVault:
    return FakeVault(VaultState(VaultSource.ONCHAIN, Wei(balance), Wei(target)))


async def test_the_first_poll_quotes_the_head_at_its_base_fee() -> None:
    chain = FakeChain()
    chain.grow()
    async with running(chain) as rig:
        quote = await rig.quote()
        assert quote.header == chain.head
        assert quote.price.fee == 12521739131
        assert quote.network.name == "mainnet"


async def test_polling_the_same_head_again_publishes_and_counts_nothing() -> None:
    chain = FakeChain()
    chain.grow(3)
    async with running(chain) as rig:
        first = await rig.quote()
        for _ in range(5):
            assert await rig.quote() is first
        assert len(rig.publisher.quotes) == 1
        assert len(rig.events.of(QuoteMade)) == 1


async def test_a_rate_limited_fee_moves_once_per_block_and_not_per_poll() -> None:
    chain = FakeChain()
    chain.grow(REBUILD_BLOCKS)
    async with running(chain, parameters=RATE_LIMITED) as rig:
        before = (await rig.quote()).price.fee
        chain.grow(3, gas_used=FULL)
        for _ in range(10):
            after = (await rig.quote()).price.fee
        assert after == (before * 101 // 100) * 101 // 100
        assert len(rig.events.of(QuoteMade)) == 4


async def test_every_block_between_two_polls_advances_the_state_and_only_the_last_is_published() -> None:
    chain = FakeChain()
    chain.grow(2)
    async with running(chain, parameters=RATE_LIMITED) as rig:
        await rig.poll()
        chain.grow(20, gas_used=FULL)
        await rig.poll()
        made = [event.quote for event in rig.events.of(QuoteMade)]
        assert [quote.header for quote in made] == chain.headers[-21:]
        assert len(rig.publisher.quotes) == 2
        for earlier, later in pairwise(made):
            assert later.previous.fee == earlier.price.fee


async def test_a_skipping_poller_and_a_patient_one_serve_the_same_quote() -> None:
    chain = FakeChain()
    chain.grow(REBUILD_BLOCKS)
    async with running(chain, parameters=RATE_LIMITED) as patient, running(chain, parameters=RATE_LIMITED) as skipping:
        await patient.poll()
        await skipping.poll()
        for _ in range(15):
            chain.grow(gas_used=FULL)
            await patient.poll()
        assert (await skipping.quote()).quote_id == (await patient.quote()).quote_id


async def test_a_late_starter_without_rate_limit_agrees_at_once() -> None:
    chain = FakeChain()
    chain.grow(10)
    async with running(chain) as early:
        await early.poll()
        chain.grow(200, gas_used=17_000_000)
        async with running(chain) as late:
            assert (await late.quote()).quote_id == (await early.quote()).quote_id


async def test_without_history_the_path_is_rebuilt_from_the_last_64_headers() -> None:
    chain = FakeChain()
    chain.grow(200, gas_used=16_000_000)
    async with running(chain, parameters=RATE_LIMITED) as rig:
        quote = await rig.quote()
    formula = FeeFormula.of(RATE_LIMITED)
    price = formula.price(chain.headers[-REBUILD_BLOCKS].base_fee_per_gas, WeiDelta(0))
    for header in chain.headers[-REBUILD_BLOCKS + 1 :]:
        price = formula.price(header.base_fee_per_gas, WeiDelta(0), price.point)
    assert quote.price == price
    assert [event.blocks for event in rig.events.of(PathRebuilt)] == [REBUILD_BLOCKS]
    assert len(rig.events.of(QuoteMade)) == 1, "replayed blocks are not counted"


async def test_on_a_chain_with_no_earlier_header_the_initial_fee_stands_in() -> None:
    async with running(FakeChain(oldest=genesis(number=0)), parameters=RATE_LIMITED, initial_fee=10**9) as rig:
        assert (await rig.quote()).price.fee == 1_010_000_000


async def test_the_rebuilt_path_starts_where_the_node_still_has_the_vaults_balance() -> None:
    chain = FakeChain()
    chain.grow(100, gas_used=16_000_000)
    vault = vault_of(10 * ETHER)
    vault.unreadable_below = chain.head.number - 9
    async with running(chain, parameters=RATE_LIMITED, vault=vault) as rig:
        quote = await rig.quote()
    formula = FeeFormula.of(RATE_LIMITED)
    price = formula.price(chain.headers[-10].base_fee_per_gas, WeiDelta(0))
    for header in chain.headers[-9:]:
        price = formula.price(header.base_fee_per_gas, WeiDelta(0), price.point)
    assert quote.price == price


async def test_legacy_smoothing_moves_per_block() -> None:
    chain = FakeChain(oldest=genesis(number=0))
    parameters = Parameters(controller=Controller.LEGACY)
    async with running(chain, parameters=parameters) as rig:
        await rig.poll()
        chain.grow(3, gas_used=FULL)
        quote = await rig.quote()
    formula = FeeFormula.of(parameters)
    price = formula.price(chain.headers[0].base_fee_per_gas, WeiDelta(0))
    for header in chain.headers[1:]:
        price = formula.price(header.base_fee_per_gas, WeiDelta(0), price.point)
    assert quote.price.smoothed_cost == price.smoothed_cost
    assert quote.price.raw == price.raw


class TestReorgs:
    async def test_the_previous_fee_is_the_new_parents(self) -> None:
        chain = FakeChain()
        chain.grow(REBUILD_BLOCKS)
        async with running(chain, parameters=RATE_LIMITED) as rig:
            await rig.poll()
            chain.grow(5, gas_used=FULL)
            await rig.poll()
            chain.reorganise(3, branch="b", gas_used=0, blocks=4)
            quote = await rig.quote()
            by_hash = {event.quote.header.hash: event.quote for event in rig.events.of(QuoteMade)}
            assert quote.header == chain.head
            assert quote.previous.fee == by_hash[quote.header.parent_hash].price.fee
            assert [event.depth for event in rig.events.of(ReorgFollowed)] == [3]

    async def test_a_sibling_of_the_head_at_the_same_height_is_followed(self) -> None:
        chain = FakeChain()
        chain.grow(5)
        async with running(chain) as rig:
            await rig.poll()
            chain.reorganise(1, branch="b", gas_used=FULL)
            assert (await rig.quote()).header.hash == chain.head.hash
            assert [event.depth for event in rig.events.of(ReorgFollowed)] == [1]

    async def test_a_branch_that_comes_back_is_followed_back(self) -> None:
        chain = FakeChain()
        chain.grow(5)
        async with running(chain) as rig:
            first = await rig.quote()
            chain.reorganise(1, branch="b")
            await rig.poll()
            chain.headers[-1:] = [first.header]
            assert (await rig.quote()).quote_id == first.quote_id
            assert len(rig.events.of(ReorgFollowed)) == 2

    async def test_a_reorg_deeper_than_the_window_rebuilds_the_path(self) -> None:
        chain = FakeChain()
        chain.grow(300)
        async with running(chain, parameters=RATE_LIMITED) as rig:
            await rig.poll()
            chain.reorganise(200, branch="b", blocks=201)
            assert (await rig.quote()).header == chain.head
            assert [event.reason for event in rig.events.of(PathRebuilt)] == ["start", "replaced"]
            assert [event.depth for event in rig.events.of(ReorgFollowed)] == [REBUILD_BLOCKS - 1]

    async def test_a_restarted_chain_from_another_genesis_is_followed(self) -> None:
        chain = FakeChain(chain_id=31337)
        chain.grow(10)
        async with running(chain) as rig:
            await rig.poll()
            other = FakeChain(oldest=replace(genesis(number=0, timestamp=1_700_009_000), hash="0x" + "12" * 32))
            chain.headers, chain.by_hashes = other.headers, other.by_hashes
            chain.grow(3, branch="c")
            assert (await rig.quote()).header == chain.head
            assert rig.events.of(PathRebuilt)[-1].reason == "replaced"
            assert rig.events.of(ReorgFollowed)

    async def test_on_a_public_chain_a_lower_chain_that_does_not_join_ours_is_refused(self) -> None:
        chain = FakeChain(chain_id=1)
        chain.grow(10)
        async with running(chain) as rig:
            quote = await rig.quote()
            other = FakeChain(oldest=replace(genesis(number=0, timestamp=1_700_009_000), hash="0x" + "12" * 32))
            chain.headers, chain.by_hashes = other.headers, other.by_hashes
            chain.grow(3, branch="c")
            assert await rig.quote() is quote
            assert rig.events.of(PollFailed)[-1].reason == "inconsistent_chain"


class TestHeadsThatDoNotAdvance:
    async def test_a_head_that_goes_back_is_named_and_ours_stays(self) -> None:
        chain = FakeChain()
        chain.grow(5)
        async with running(chain) as rig:
            quote = await rig.quote()
            del chain.headers[-2:]
            assert await rig.quote() is quote
            event = rig.events.of(HeadWentBack)[-1]
            assert (event.held_number, event.got_number) == (quote.header.number, quote.header.number - 2)

    async def test_a_laggard_from_before_all_we_hold_does_not_drag_us_back(self) -> None:
        chain = FakeChain()
        chain.grow(500)
        async with running(chain) as rig:
            quote = await rig.quote()
            del chain.headers[-400:]
            assert await rig.quote() is quote
            assert rig.events.of(HeadWentBack)[-1].got_number == quote.header.number - 400

    async def test_an_absence_of_more_than_a_day_is_a_named_gap(self) -> None:
        chain = FakeChain()
        chain.grow(2)
        async with running(chain, parameters=RATE_LIMITED) as rig:
            held = (await rig.quote()).header
            far = genesis(number=held.number + GREATEST_CATCH_UP_BLOCKS + 500, timestamp=held.timestamp + 10**5)
            chain.headers, chain.by_hashes = [far], {far.hash: far}
            chain.grow()
            await rig.poll()
            gap = rig.events.of(PathRebuilt)[-1]
            assert gap.gap_blocks == GREATEST_CATCH_UP_BLOCKS + 499

    async def test_a_head_far_ahead_whose_parent_nobody_has_is_refused_and_the_chain_followed_on(self) -> None:
        """Otherwise one misrouted answer would set any fee, and lock the true chain out as too low."""
        chain = FakeChain()
        chain.grow(3)
        async with running(chain) as rig:
            before = await rig.quote()
            lie = genesis(number=before.header.number + 10_000, base_fee=10**15, timestamp=before.header.timestamp + 12)
            true_head = chain.head
            chain.put(lie)
            assert await rig.quote() == before
            assert rig.events.of(PollFailed)[-1].reason == "inconsistent_chain"
            chain.headers.remove(lie)
            assert chain.head == true_head
            chain.grow()
            assert (await rig.quote()).header == chain.head

    async def test_under_a_clock_that_is_known_to_be_ahead_a_head_that_moves_does_not_stand(self) -> None:
        chain = FakeChain()
        chain.grow(3)
        async with running(chain) as rig:
            rig.clock.seconds = chain.head.timestamp + 600
            chain.shown = FeedView(1, clock_offset_millis=600_000)
            for _ in range(3):
                chain.grow()
                rig.clock.seconds += 12
                await rig.poll()
            assert rig.events.of(HeadStood) == []
            rig.clock.seconds += 49
            await rig.poll()
            assert [event.age_seconds for event in rig.events.of(HeadStood)] == [49]

    async def test_a_laggard_from_before_all_that_we_hold_is_never_followed_however_long_it_is_alone(self) -> None:
        chain = FakeChain()
        chain.grow(400)
        async with running(chain) as rig:
            rig.clock.seconds = chain.head.timestamp
            held = (await rig.quote()).header
            behind = chain.headers[:200]
            chain.headers = behind
            for _ in range(5):
                rig.clock.seconds += CONTRADICTION_SECONDS
                assert (await rig.quote()).header == held
            assert rig.events.of(ReorgFollowed) == []

    async def test_a_glimpse_of_another_chain_counts_for_nothing_once_ours_is_given_again(self) -> None:
        truth = FakeChain()
        truth.grow(300)
        other = genesis(number=500, timestamp=truth.head.timestamp - 5)
        async with running(truth) as rig:
            rig.clock.seconds = truth.head.timestamp
            held = (await rig.quote()).header
            for _ in range(5):
                truth.put(other)
                await rig.poll()
                truth.headers.remove(other)
                rig.clock.seconds += CONTRADICTION_SECONDS / 2
                assert (await rig.quote()).header == held

    @pytest.mark.parametrize("seconds_ahead", [12, 10**6])
    async def test_a_false_chain_that_was_believed_loses_once_nobody_gives_it_any_more(
        self, seconds_ahead: int
    ) -> None:
        truth, lie = FakeChain(), FakeChain()
        truth.grow(3)
        first = genesis(number=50_000, timestamp=truth.head.timestamp + seconds_ahead)
        lie.headers, lie.by_hashes = [first], {first.hash: first}
        lie.grow(2)
        async with running(lie) as rig:
            assert (await rig.quote()).header == lie.head
            lie.headers, lie.by_hashes = truth.headers, truth.by_hashes
            assert (await rig.quote()).header.number > 50_000
            rig.clock.seconds += CONTRADICTION_SECONDS
            await rig.poll()
            rig.clock.seconds += 2
            assert (await rig.quote()).header == truth.head
            lie.grow()
            assert (await rig.quote()).header == lie.head


class TestCatchingUp:
    async def test_every_block_of_a_long_absence_is_priced_in_steps_and_the_loop_shows_that_it_lives(self) -> None:
        chain = FakeChain()
        chain.grow(2)
        async with running(chain, parameters=RATE_LIMITED) as rig:
            await rig.poll()
            beats = len(rig.publisher.statuses)
            chain.grow(1000, gas_used=16_000_000)
            assert (await rig.quote()).header == chain.head
            assert len(rig.events.of(QuoteMade)) == 1001
            assert len(rig.publisher.quotes) == 1 + 1 + 1000 // STEP_BLOCKS
            assert len(rig.publisher.statuses) - beats > 1000

    async def test_a_failure_on_the_way_loses_no_step_that_was_gone(self) -> None:
        class FailingOnTheWay(FakeChain):
            fails_at: int | None = None

            async def by_number(self, number: BlockNumber) -> L1Header:
                if self.fails_at is not None and number >= self.fails_at:
                    raise UNREACHABLE
                return await super().by_number(number)

        chain = FailingOnTheWay()
        chain.grow(2)
        async with running(chain) as rig:
            first = (await rig.quote()).header
            chain.grow(500)
            chain.fails_at = first.number + 3 * STEP_BLOCKS
            assert (await rig.quote()).header.number == first.number + 2 * STEP_BLOCKS
            chain.fails_at = None
            assert (await rig.quote()).header == chain.head
            assert len(rig.events.of(QuoteMade)) == 501

    async def test_a_gap_that_no_node_can_fill_is_named_and_left_behind(self) -> None:
        chain = FakeChain()
        chain.grow(2)
        async with running(chain, parameters=RATE_LIMITED) as rig:
            await rig.poll()
            chain.grow(300)
            chain.headers = chain.headers[-5:]
            chain.by_hashes = {header.hash: header for header in chain.headers}
            assert (await rig.quote()).header == chain.head
            rebuilt = rig.events.of(PathRebuilt)[-1]
            assert (rebuilt.reason, rebuilt.blocks, rebuilt.gap_blocks) == ("gap", 5, 295)

    async def test_headers_that_were_fetched_in_vain_are_not_fetched_again(self) -> None:
        chain = FakeChain()
        chain.grow(100)
        vault = vault_of(7 * ETHER)
        vault.failure = UNREACHABLE
        async with running(chain, vault=vault) as rig:
            await rig.poll()
            asked = chain.calls.count("by_number")
            await rig.poll()
            await rig.poll()
            assert chain.calls.count("by_number") == asked

    async def test_what_is_held_of_the_chain_is_bounded(self) -> None:
        chain = FakeChain()
        events = EventLog()
        follower = ChainFollower(chain, events, lambda: None, ManualClock())
        for _ in range(10):
            chain.grow(100)
            while follower.head is None or not follower.is_behind(chain.head):
                follower.hold(await follower.path_to(chain.head))
        assert len(follower._held) == REORG_WINDOW_BLOCKS
        assert not follower._fetched

    async def test_a_vault_that_is_slow_to_fail_is_asked_once_for_a_step_and_held_for_the_rest(self) -> None:
        chain = FakeChain()
        chain.grow(2)
        vault = vault_of(7 * ETHER)
        async with running(chain, vault=vault) as rig:
            await rig.poll()
            vault.failure = UpstreamError("fake", "timeout", "no answer within 2 s")
            chain.grow(50)
            quote = await rig.quote()
            assert quote.header == chain.head
            assert quote.vault.condition is VaultCondition.HELD
            assert len(rig.events.of(VaultUnreadable)) == 1

    async def test_a_vault_whose_old_state_is_gone_is_current_again_at_the_head(self) -> None:
        chain = FakeChain()
        chain.grow(2)
        vault = vault_of(7 * ETHER)
        async with running(chain, vault=vault) as rig:
            await rig.poll()
            chain.grow(50)
            vault.unreadable_below = chain.head.number - 10
            await rig.poll()
            conditions = [event.quote.vault.condition for event in rig.events.of(QuoteMade)][1:]
            assert conditions == [VaultCondition.HELD] * 39 + [VaultCondition.CURRENT] * 11


class TestIntegrity:
    async def test_an_impossible_base_fee_is_rejected_on_a_public_chain(self) -> None:
        chain = FakeChain(chain_id=1)
        chain.grow(3)
        async with running(chain) as rig:
            quote = await rig.quote()
            chain.put(replace(chain.grow(), base_fee_per_gas=WeiPerGas(10**12)))
            assert await rig.quote() is quote
            assert [(e.reason, e.enforced) for e in rig.events.of(HeaderRejected)] == [("impossible_base_fee", True)]
            failure = rig.events.of(PollFailed)[-1]
            assert (failure.provider, failure.reason) == ("fake", "rejected_header")

    async def test_an_impossible_base_fee_is_counted_and_used_on_a_development_chain(self) -> None:
        chain = FakeChain(chain_id=31337)
        chain.grow(3)
        async with running(chain) as rig:
            await rig.poll()
            chain.headers[-1:] = [replace(chain.grow(), base_fee_per_gas=WeiPerGas(100 * 10**9))]
            assert (await rig.quote()).price.fee == 45586956522
            assert [(e.reason, e.enforced) for e in rig.events.of(HeaderRejected)] == [("impossible_base_fee", False)]


class TestFailures:
    async def test_a_failed_poll_keeps_the_quote_and_says_why(self) -> None:
        chain = FakeChain()
        chain.grow()
        async with running(chain) as rig:
            quote = await rig.quote()
            chain.failure = UNREACHABLE
            for expected in (1, 2, 3):
                assert await rig.quote() is quote
                assert rig.publisher.statuses[-1].consecutive_failures == expected
            status = rig.publisher.statuses[-1]
            assert status.failure_reason == "unreachable"
            assert status.witnesses.reason is StaleReason.L1_UNREACHABLE

    async def test_recovery_is_seen_and_counts_the_blocks_that_were_missed(self) -> None:
        chain = FakeChain()
        chain.grow()
        async with running(chain) as rig:
            await rig.poll()
            chain.failure = UNREACHABLE
            await rig.poll()
            await rig.poll()
            chain.failure = None
            chain.grow(4)
            assert (await rig.quote()).header == chain.head
            assert rig.events.of(PollSucceeded)[-1].failures_before == 2
            assert rig.publisher.statuses[-1].failure_reason is None
            assert rig.publisher.statuses[-1].witnesses.reason is StaleReason.L1_LATE
            assert len(rig.events.of(QuoteMade)) == 5

    async def test_without_any_answer_there_is_no_quote(self) -> None:
        chain = FakeChain()
        chain.failure = UNREACHABLE
        async with running(chain) as rig:
            assert await rig.poll() is None

    async def test_what_is_not_an_upstream_failure_ends_the_loop(self) -> None:
        class Broken(FakeChain):
            async def by_number(self, number: int) -> None:  # type: ignore[override]
                raise RuntimeError(number)

        chain = Broken()
        chain.grow(3)
        async with running(chain) as rig:
            with pytest.raises(RuntimeError):
                await rig.poller.run()


class TestVault:
    async def test_the_deficit_is_the_one_at_the_header(self) -> None:
        chain = FakeChain()
        chain.grow(2)
        vault = vault_of(10 * ETHER)
        async with running(chain, vault=vault) as rig:
            await rig.poll()
            vault.balances = {chain.head.number + 1: 9 * ETHER, chain.head.number + 2: 8 * ETHER}
            chain.grow(2)
            await rig.poll()
            assert [event.quote.vault.deficit for event in rig.events.of(QuoteMade)] == [0, ETHER, 2 * ETHER]

    async def test_an_unreadable_vault_is_held_then_expired_and_never_zero(self) -> None:
        chain = FakeChain()
        chain.grow()
        vault = vault_of(7 * ETHER)
        async with running(chain, vault=vault, plan=VaultPlan(max_age_seconds=60)) as rig:
            await rig.poll()
            vault.failure = UNREACHABLE
            conditions = []
            for _ in range(6):
                chain.grow()
                quote = await rig.quote()
                assert quote.vault.deficit == 3 * ETHER
                conditions.append(quote.vault.condition)
            assert conditions == [VaultCondition.HELD] * 5 + [VaultCondition.EXPIRED]
            assert rig.publisher.statuses[-1].vault_failure_reason == "unreachable"
            assert rig.events.of(VaultUnreadable)[-1].consecutive == 6

    async def test_a_vault_that_answers_again_is_current_again(self) -> None:
        chain = FakeChain()
        chain.grow()
        vault = vault_of(7 * ETHER)
        async with running(chain, vault=vault) as rig:
            await rig.poll()
            vault.failure = UNREACHABLE
            chain.grow()
            await rig.poll()
            vault.failure = None
            chain.grow()
            assert (await rig.quote()).vault.condition is VaultCondition.CURRENT
            assert [event.failures_before for event in rig.events.of(VaultReadable)] == [1]
            assert rig.publisher.statuses[-1].vault_failure_reason is None

    async def test_a_vault_that_was_never_read_makes_no_quote(self) -> None:
        chain = FakeChain()
        chain.grow()
        vault = vault_of(7 * ETHER)
        vault.failure = UNREACHABLE
        async with running(chain, vault=vault) as rig:
            assert await rig.poll() is None
            assert rig.publisher.statuses[-1].vault_failure_reason == "unreachable"
            vault.failure = None
            assert (await rig.quote()).vault.deficit == 3 * ETHER


async def test_polls_keep_their_cadence_whatever_a_poll_takes() -> None:
    chain = FakeChain()
    chain.grow()

    class EnoughError(Exception):
        pass

    async with running(chain) as rig:

        async def slow_chain_id() -> int:
            rig.clock.seconds += 0.5
            return 1

        chain.chain_id = slow_chain_id  # type: ignore[method-assign]
        original = rig.clock.sleep

        async def sleep(seconds: float) -> None:
            await original(seconds)
            if len(rig.clock.slept) == 3:
                raise EnoughError

        rig.clock.sleep = sleep  # type: ignore[method-assign]
        with pytest.raises(EnoughError):
            await rig.poller.run()
        assert rig.clock.slept == [1.5, 1.5, 1.5]
