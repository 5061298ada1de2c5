"""Changes of the parameters: judged at their turn, never lost, journaled before they govern."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from itertools import pairwise

import pytest

from app.domain.amendment import Amended, Amendment, AmendmentRefusedError, OtherParametersError
from app.domain.governance import ParameterChange
from app.domain.network import Network
from app.domain.parameter_set import ParameterSet, ParameterSource
from app.domain.parameters import Controller, Parameters
from app.domain.units import WeiPerGas
from app.engine.events import ParametersChanged, QuoteMade
from app.engine.ports import NoNetworkError, StoreError, StoreFault
from app.engine.verify import Verifier
from tests.domain import reference
from tests.engine.rig import Rig, running
from tests.fakes import FakeChain
from tests.fakes_store import FakeDatabase, FakeStore

FULL = 30_000_000
DOWN = StoreError(StoreFault.UNAVAILABLE, "connection refused")
RATE_LIMITED = Parameters(max_fee_increase=Fraction(1, 100), max_fee_decrease=Fraction(1, 100))


def amendment(expected: tuple[str, ...] | None = None, actor: str = "ops", **changes: object) -> Amendment:
    return Amendment(changes=changes, actor=actor, reason=None, expected=expected)


REVERT = Amendment(changes=None, actor="ops", reason="over")


def a_chain(blocks: int = 5) -> FakeChain:
    chain = FakeChain()
    chain.grow(blocks)
    return chain


def id_of(parameter_set: ParameterSet) -> str:
    return parameter_set.parameters.parameters_id


def trail(database: FakeDatabase) -> list[ParameterChange]:
    (changes,) = database.changes.values()
    return changes


def change_of(amended: Amended) -> ParameterChange:
    assert amended.change is not None
    return amended.change


@dataclass
class Overtaken(FakeStore):
    """Somebody else's work is done right before a change is written: after it was judged."""

    others: list[Callable[[], Awaitable[object]]] = field(default_factory=list)
    falls_silent: bool = False
    """Whether a change is written, and nobody is told."""

    async def change_parameters(self, network: Network, change: ParameterChange, seen: int) -> ParameterChange:
        if self.others:
            await self.others.pop(0)()
        stored = await super().change_parameters(network, change, seen)
        if self.falls_silent:
            raise DOWN
        return stored


class TestAtOnce:
    async def test_two_changes_of_different_parameters_are_both_in_force(self) -> None:
        database, chain = FakeDatabase(), a_chain()
        async with running(chain, store=FakeStore(database)) as rig:
            await rig.poll()
            await asyncio.gather(
                rig.oracle.change_parameters(amendment(alphaData="0.16")),
                rig.oracle.change_parameters(amendment(baseFeeGwei="0.9")),
            )
            chain.grow()
            parameters = (await rig.quote()).formula.parameters
        assert (parameters.alpha_data, parameters.base_fee) == (Fraction(16, 100), 900_000_000)
        assert [change.number for change in trail(database)] == [1, 2, 3]

    async def test_they_are_both_in_force_where_two_instances_on_one_store_take_one_each(self) -> None:
        database, chain = FakeDatabase(), a_chain()
        store = Overtaken(database)
        async with (
            running(chain, store=FakeStore(database)) as one,
            running(chain, store=store) as other,
        ):
            await one.poll()
            await other.poll()
            store.others = [
                lambda: one.oracle.change_parameters(amendment(alphaData="0.16")),
                lambda: one.oracle.change_parameters(amendment(horizonBatches=48)),
            ]
            amended = await other.oracle.change_parameters(amendment(baseFeeGwei="0.9"))
            texts = amended.after.texts()
            assert (texts["alphaData"], texts["horizonBatches"], texts["baseFeeGwei"]) == ("0.16", 48, "0.9")
            assert change_of(amended).number == 4
            chain.grow()
            assert (await one.quote()).quote_id == (await other.quote()).quote_id
        assert trail(database)[-1].parameter_set == amended.after

    async def test_one_that_is_meant_for_what_is_no_longer_in_force_is_refused_at_its_turn(self) -> None:
        chain = a_chain()
        async with running(chain) as rig:
            await rig.poll()
            before = id_of(ParameterSet())
            outcomes = await asyncio.gather(
                rig.oracle.change_parameters(amendment((before,), alphaData="0.16")),
                rig.oracle.change_parameters(amendment((before,), alphaData="0.2")),
                return_exceptions=True,
            )
            assert isinstance(outcomes[0], Amended)
            assert isinstance(outcomes[1], OtherParametersError)
            assert (outcomes[1].expected, outcomes[1].found) == ((before,), id_of(outcomes[0].after))
            assert rig.oracle.parameters.alpha_data == Fraction(16, 100)

    async def test_it_is_refused_where_another_instance_was_first_by_a_moment(self) -> None:
        database, chain = FakeDatabase(), a_chain()
        store = Overtaken(database)
        async with (
            running(chain, store=FakeStore(database)) as one,
            running(chain, store=store) as other,
        ):
            await one.poll()
            await other.poll()
            store.others = [lambda: one.oracle.change_parameters(amendment(alphaData="0.16"))]
            with pytest.raises(OtherParametersError):
                await other.oracle.change_parameters(amendment((id_of(ParameterSet()),), baseFeeGwei="0.9"))
            assert other.oracle.parameters.alpha_data == Fraction(16, 100)
        assert len(trail(database)) == 2

    async def test_an_instance_that_was_not_told_judges_by_what_is_in_the_store(self) -> None:
        """Two requests of one client, which a load balancer sends to two replicas between two blocks."""
        database, chain = FakeDatabase(), a_chain()
        async with (
            running(chain, store=FakeStore(database)) as one,
            running(chain, store=FakeStore(database)) as other,
        ):
            await one.poll()
            await other.poll()
            first = await one.oracle.change_parameters(amendment(alphaData="0.16"))
            second = await other.oracle.change_parameters(amendment((id_of(first.after),), baseFeeGwei="0.9"))
            assert second.before == first.after
            assert second.after.parameters.alpha_data == Fraction(16, 100)

    async def test_bounds_are_judged_against_what_is_in_force_at_the_turn(self) -> None:
        chain = a_chain()
        async with running(chain) as rig:
            await rig.poll()
            outcomes = await asyncio.gather(
                rig.oracle.change_parameters(amendment(minFeeGwei="5")),
                rig.oracle.change_parameters(amendment(maxFeeGwei="4", alphaData="-1")),
                return_exceptions=True,
            )
            assert isinstance(outcomes[1], AmendmentRefusedError)
            assert [problem.name for problem in outcomes[1].problems] == ["alphaData", "minFeeGwei"]
            assert rig.oracle.parameters.max_fee == Parameters().max_fee


class TestWhatItAnswers:
    async def test_the_fee_before_and_after_at_the_head_and_at_the_next_block(self) -> None:
        chain = a_chain()
        async with running(chain) as rig:
            quote = await rig.quote()
            amended = await rig.oracle.change_parameters(amendment(alphaData="0.16"))
            outlook = amended.outlook
            assert outlook is not None
            expected = reference.alpha_raw(amended.after.parameters, quote.header.base_fee_per_gas, 0)
            assert (outlook.quote, outlook.amended.price.fee) == (quote, expected)
            chain.grow(gas_used=FULL)
            following = await rig.quote()
            assert outlook.next_fee == following.price.fee != outlook.quote.next_fee

    async def test_the_fees_are_those_of_the_same_path_under_a_rate_limit(self) -> None:
        """The head's quote knows no previous fee, since nothing limited it; the change is limited all the same."""
        chain = a_chain()
        async with running(chain) as rig:
            await rig.poll()
            chain.grow(gas_used=FULL)
            parent = await rig.quote()
            chain.grow(gas_used=FULL)
            head = await rig.quote()
            change = amendment(alphaData="0.5", maxFeeIncrease="0.01")
            outlook = (await rig.oracle.change_parameters(change, dry_run=True)).outlook
            assert outlook is not None
            assert outlook.amended.price.fee == parent.price.fee * 101 // 100
            await rig.oracle.change_parameters(change)
            chain.grow(gas_used=FULL)
            assert (await rig.quote()).price.fee == head.price.fee * 101 // 100 == outlook.next_fee

    async def test_before_the_first_quote_there_is_no_fee_to_show(self) -> None:
        chain = a_chain()
        async with running(chain, known_l1_chain_id=1) as rig:
            await rig.oracle.open(Network(1, 167000))
            amended = await rig.oracle.change_parameters(amendment(alphaData="0.16"))
            assert amended.outlook is None
            assert (change_of(amended).from_block, change_of(amended).number) == (0, 2)
            assert (await rig.quote()).formula.parameters.alpha_data == Fraction(16, 100)


class TestWhatChangesNothing:
    async def test_a_dry_run_is_judged_like_a_change_and_leaves_no_trace(self) -> None:
        database, chain = FakeDatabase(), a_chain()
        async with running(chain, store=FakeStore(database)) as rig:
            before = await rig.quote()
            governed, happened = len(rig.publisher.governances), len(rig.events.of(ParametersChanged))
            amended = await rig.oracle.change_parameters(amendment(alphaData="0.16"), dry_run=True)
            assert change_of(amended).number == 1
            assert amended.after.parameters.alpha_data == Fraction(16, 100)
            with pytest.raises(AmendmentRefusedError):
                await rig.oracle.change_parameters(amendment(alphaData="-1"), dry_run=True)
            with pytest.raises(OtherParametersError):
                await rig.oracle.change_parameters(amendment(("other",), alphaData="0.1"), dry_run=True)
            in_force = rig.publisher.governances[governed - 1]
            assert all(governance == in_force for governance in rig.publisher.governances[governed:])
            assert len(rig.events.of(ParametersChanged)) == happened
            assert await rig.quote() == before
            chain.grow()
            assert (await rig.quote()).parameters_id == before.parameters_id
        assert len(trail(database)) == 1

    async def test_a_repeat_is_answered_by_the_change_that_is_in_force(self) -> None:
        database, chain = FakeDatabase(), a_chain()
        async with running(chain, store=FakeStore(database)) as rig:
            await rig.poll()
            first = await rig.oracle.change_parameters(amendment(alphaData="0.16"))
            again = await rig.oracle.change_parameters(amendment(actor="dev", alphaData="0.16"))
            assert (again.before, again.after, again.change) == (first.after, first.after, first.change)
        assert len(trail(database)) == 2

    async def test_dropping_no_override_is_answered_by_the_environments_own_decision(self) -> None:
        database, chain = FakeDatabase(), a_chain()
        async with running(chain, store=FakeStore(database)) as rig:
            await rig.poll()
            assert change_of(await rig.oracle.change_parameters(REVERT)).actor == "environment"
        assert len(trail(database)) == 1

    async def test_the_value_that_the_environment_has_is_an_override_once_somebody_asks_for_it(self) -> None:
        chain = a_chain()
        async with running(chain) as rig:
            await rig.poll()
            amended = await rig.oracle.change_parameters(amendment(alphaData="0.18"))
            assert change_of(amended).number == 2
            assert amended.after.parameters == amended.before.parameters
            assert amended.after.sources["alphaData"] is ParameterSource.OVERRIDE


class TestAFailure:
    async def test_of_the_store_leaves_everything_as_it_was_and_no_quote_out(self) -> None:
        database, chain = FakeDatabase(), a_chain()
        store = FakeStore(database)
        async with running(chain, store=store) as rig:
            before = await rig.quote()
            store.is_read_only = True
            with pytest.raises(StoreError):
                await rig.oracle.change_parameters(amendment(alphaData="0.16"))
            store.is_read_only = False
            assert not rig.journal.is_degraded
            chain.grow()
            assert (await rig.quote()).parameters_id == before.parameters_id
        assert len(trail(database)) == 1

    async def test_of_a_store_that_is_known_to_fail_is_told_at_once(self) -> None:
        chain, store = a_chain(), FakeStore()
        async with running(chain, store=store) as rig:
            await rig.poll()
            store.fault = DOWN
            chain.grow()
            await rig.poll()
            assert rig.journal.is_degraded
            for dry_run in (True, False):
                with pytest.raises(StoreError):
                    await rig.oracle.change_parameters(amendment(alphaData="0.16"), dry_run=dry_run)

    async def test_after_the_store_took_it_lets_it_govern_and_a_repeat_finds_it_in_force(self) -> None:
        """The connection broke before the store could say that it has it."""
        database, chain = FakeDatabase(), a_chain()
        store = Overtaken(database)
        async with running(chain, store=store) as rig:
            await rig.poll()
            store.falls_silent = True
            with pytest.raises(StoreError):
                await rig.oracle.change_parameters(amendment(alphaData="0.16"))
            again = await rig.oracle.change_parameters(amendment(alphaData="0.16"))
            assert change_of(again).number == 2
            chain.grow()
            assert (await rig.quote()).formula.parameters.alpha_data == Fraction(16, 100)
        assert len(trail(database)) == 2

    async def test_to_be_first_again_and_again_is_given_up_so_that_blocks_are_priced(self) -> None:
        database, chain = FakeDatabase(), a_chain()
        store = Overtaken(database)
        async with (
            running(chain, store=FakeStore(database)) as one,
            running(chain, store=store) as other,
        ):
            await one.poll()
            await other.poll()
            rivals = [amendment(horizonBatches=batches) for batches in range(1, 100)]
            store.others = [partial(one.oracle.change_parameters, rival) for rival in rivals]
            with pytest.raises(StoreError) as given_up:
                await other.oracle.change_parameters(amendment(alphaData="0.16"))
            assert given_up.value.fault is StoreFault.LOCKED
            chain.grow()
            assert (await other.quote()).formula.parameters.alpha_data == Fraction(18, 100)

    async def test_while_the_chain_is_unknown_there_is_nothing_to_change(self) -> None:
        async with running(a_chain()) as rig:
            for dry_run in (True, False):
                with pytest.raises(NoNetworkError):
                    await rig.oracle.change_parameters(amendment(alphaData="0.16"), dry_run=dry_run)


class TestAStoreThatLostItsDecisions:
    """Its file was removed and made anew: what is said to be in force and what prices the blocks stay the same."""

    async def test_leaves_the_environment_in_force_and_on_record(self) -> None:
        chain, store = a_chain(), FakeStore()
        async with running(chain, store=store) as rig:
            await rig.poll()
            await rig.oracle.change_parameters(amendment(alphaData="0.16"))
            store.fault = DOWN
            chain.grow()
            assert (await rig.quote()).formula.parameters.alpha_data == Fraction(16, 100)
            assert rig.journal.is_degraded
            store.fault, store.database = None, FakeDatabase()
            rig.clock.seconds += 60
            chain.grow()
            await rig.poll()
            chain.grow()
            quote = await rig.quote()
            in_force = rig.publisher.governances[-1].change
        assert in_force is not None
        assert quote.parameters_id == id_of(in_force.parameter_set) == id_of(ParameterSet())
        assert [(change.number, change.actor, change.reason) for change in trail(store.database)] == [
            (1, "environment", "the store has lost what was in force")
        ]

    async def test_does_not_keep_a_revert_from_governing(self) -> None:
        chain, store = a_chain(), FakeStore()
        async with running(chain, store=store) as rig:
            await rig.poll()
            await rig.oracle.change_parameters(amendment(alphaData="0.16"))
            store.database = FakeDatabase()
            await rig.oracle.change_parameters(REVERT)
            chain.grow()
            assert (await rig.quote()).formula.parameters.alpha_data == Fraction(18, 100)


class TestOverARestart:
    async def test_overrides_are_kept_and_shown_and_counted_by_nobody(self) -> None:
        database, chain = FakeDatabase(), a_chain()
        async with running(chain, store=FakeStore(database)) as rig:
            await rig.poll()
            kept = (await rig.oracle.change_parameters(amendment(alphaData="0.16", controller="legacy"))).after
        async with running(chain, store=FakeStore(database)) as rig:
            await rig.poll()
            change = rig.publisher.governances[-1].change
            assert change is not None
            assert change.parameter_set == kept
            assert [event.is_new for event in rig.events.of(ParametersChanged)] == [False]
            assert (await rig.oracle.change_parameters(REVERT)).after == ParameterSet()

    async def test_an_override_outlives_it_that_came_after_the_environment_changed_at_another_instance(self) -> None:
        """Of two replicas one has the new environment already; the other is asked, and then gets it too."""
        database, chain = FakeDatabase(), a_chain()
        other = Parameters(base_fee=WeiPerGas(3_000_000_000))
        async with running(chain, store=FakeStore(database)) as old:
            await old.poll()
            async with running(chain, parameters=other, store=FakeStore(database)) as new:
                await new.poll()
            await old.oracle.change_parameters(amendment(alphaData="0.16"))
        async with running(chain, parameters=other, store=FakeStore(database)) as new:
            await new.poll()
            assert new.oracle.parameters == Parameters(alpha_data=Fraction(16, 100), base_fee=other.base_fee)

    async def test_a_revert_to_an_old_environment_does_not(self) -> None:
        database, chain = FakeDatabase(), a_chain()
        other = Parameters(base_fee=WeiPerGas(3_000_000_000))
        async with running(chain, store=FakeStore(database)) as old:
            await old.poll()
            async with running(chain, parameters=other, store=FakeStore(database)) as new:
                await new.poll()
            assert (await old.oracle.change_parameters(REVERT)).after == ParameterSet()
        async with running(chain, parameters=other, store=FakeStore(database)) as new:
            await new.poll()
            assert new.oracle.parameters == other

    async def test_what_is_unset_goes_back_to_the_environment_of_now(self) -> None:
        database, chain = FakeDatabase(), a_chain()
        async with running(chain, store=FakeStore(database)) as rig:
            await rig.poll()
            await rig.oracle.change_parameters(amendment(baseFeeGwei="0.9"))
        other = Parameters(base_fee=WeiPerGas(3_000_000_000))
        async with running(chain, parameters=other, store=FakeStore(database)) as rig:
            await rig.poll()
            await rig.oracle.change_parameters(amendment(baseFeeGwei="0.7"))
            amended = await rig.oracle.change_parameters(amendment(baseFeeGwei=None))
            assert amended.after == ParameterSet(other)


class TestTheLegacyController:
    async def test_starts_its_smoothing_at_its_first_block_and_anew_after_a_pause(self) -> None:
        database, chain = FakeDatabase(), a_chain()
        store = FakeStore(database)
        async with running(chain, store=store) as rig:
            for change in (
                None,
                amendment(controller="legacy"),
                amendment(controller="alpha"),
                amendment(controller="legacy"),
            ):
                if change is not None:
                    await rig.oracle.change_parameters(change)
                for _ in range(4):
                    chain.grow(gas_used=FULL)
                    await rig.poll()
            _hold_to_reference(rig)
            found = [finding async for finding in Verifier(store).findings(None, 0, None, lambda _: None)]
        assert found == []

    async def test_and_the_alpha_one_hand_the_fee_on_to_each_other_under_a_rate_limit(self) -> None:
        chain = a_chain(70)
        async with running(chain, parameters=RATE_LIMITED) as rig:
            await rig.poll()
            await rig.oracle.change_parameters(amendment(controller="legacy"))
            for _ in range(3):
                chain.grow()
                await rig.poll()
            await rig.oracle.change_parameters(amendment(controller="alpha"))
            for _ in range(3):
                chain.grow()
                await rig.poll()
            fees = [event.quote.price.fee for event in rig.events.of(QuoteMade)][-7:]
        falls, rises = fees[:4], fees[3:]
        assert all(later == -(-earlier * 99 // 100) for earlier, later in pairwise(falls))
        assert all(later == earlier * 101 // 100 for earlier, later in pairwise(rises))


def _hold_to_reference(rig: Rig) -> None:
    """Every quote to the wei by the rules written anew, the smoothed cost carried along by hand."""
    smoothed: int | None = None
    controllers = []
    for event in rig.events.of(QuoteMade):
        quote, p = event.quote, event.quote.formula.parameters
        base_fee = quote.header.base_fee_per_gas
        controllers.append(p.controller)
        if p.controller is Controller.LEGACY:
            smoothed = reference.smoothed_cost(p, smoothed, reference.batch_cost(p, base_fee))
            raw = reference.legacy_raw(p, smoothed, 0)
        else:
            smoothed, raw = None, reference.alpha_raw(p, base_fee, 0)
        assert (quote.price.raw, quote.price.fee, quote.price.smoothed_cost) == (
            raw, reference.fee(p, raw, None), smoothed,
        )  # fmt: skip
    assert controllers[-12:] == [Controller.LEGACY] * 4 + [Controller.ALPHA] * 4 + [Controller.LEGACY] * 4
