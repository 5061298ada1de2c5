"""What every store has to do, whatever keeps it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import count
from random import Random
from typing import Protocol

import pytest

from app.domain.formula import PathPoint
from app.domain.governance import (
    Governance,
    ParameterChange,
    ReportRefusedError,
    Revision,
    VaultReport,
    environment_id_of,
)
from app.domain.network import Network
from app.domain.parameter_set import ParameterSet
from app.domain.parameters import Controller, Parameters
from app.domain.units import BlockNumber, UnixMillis, UnixSeconds, Wei, WeiPerGas
from app.domain.vault import NO_VAULT, VaultCondition, VaultLayer, VaultReading, VaultSource, VaultState
from app.engine.entries import Entry, Gap, Place, StoredEntry, UndecodableEntry, claims_of
from app.engine.ports import Archive, ChangeConflictError, Store
from tests.domain.build import DEFAULTS, ETHER, GENESIS_TIME, MAINNET, a_header, a_quote, adjusted

HOODI = Network(l1_chain_id=560048, l2_chain_id=167013)
OTHER_PARAMETERS = adjusted(DEFAULTS, base_fee=2 * 10**9)
NOTHING_SEEN = Revision()
A_MOMENT = UnixMillis(1_764_157_403_123)


class KeptStore(Store, Archive, Protocol):
    """A store, and the way to look back into it."""


OpenStore = Callable[[], KeptStore]

READ_VAULT = VaultState(
    VaultSource.ONCHAIN,
    balance=Wei(76 * ETHER + 1),
    target=Wei(10**30),
    condition=VaultCondition.HELD,
    observed_at=UnixSeconds(GENESIS_TIME),
    readings=(
        VaultReading(VaultLayer.L1, "0x" + "ab" * 20, BlockNumber(7), Wei(1)),
        VaultReading(VaultLayer.L2, "0x" + "cd" * 20, BlockNumber(12_367_835), Wei(76 * ETHER)),
    ),
)
RATE_LIMITED = adjusted(DEFAULTS, max_fee_increase=Fraction(1, 8), max_fee_decrease=Fraction(1, 3))
LEGACY = adjusted(DEFAULTS, controller=Controller.LEGACY, legacy_mu=Fraction(2, 3), legacy_smoothing=Fraction(1, 7))


def an_entry(
    number: int,
    *,
    parameters: Parameters = DEFAULTS,
    network: Network = MAINNET,
    vault: VaultState = NO_VAULT,
    previous: PathPoint | None = None,
    branch: str = "",
) -> Entry:
    """A priced block at this height."""
    header = a_header(number=number, name=f"{branch} {number}" if branch else "")
    point = previous or PathPoint(WeiPerGas(10**9), Wei(10**16))
    quote = a_quote(header, parameters=parameters, network=network, vault=vault, previous=point)
    return Entry(quote, UnixMillis(header.timestamp * 1000 + 123), "primary", base_fee_verified=True)


def some_entries(
    first: int, last: int, *, parameters: Parameters = DEFAULTS, network: Network = MAINNET
) -> list[Entry]:
    """Priced blocks from `first` to `last`."""
    return [an_entry(number, parameters=parameters, network=network) for number in range(first, last + 1)]


def a_change(actor: str = "ops", **changes: object) -> ParameterChange:
    """A parameter change that has no place yet."""
    chosen = ParameterSet().changed(changes)
    return ParameterChange(
        number=0,
        parameter_set=chosen,
        environment_id=environment_id_of(ParameterSet()),
        from_block=BlockNumber(0),
        at=A_MOMENT,
        actor=actor,
        reason="costs rose",
    )


def a_report(sequence: int, *, balance: int = 3 * ETHER, at: int = A_MOMENT) -> VaultReport:
    """A pushed balance that has no place yet."""
    return VaultReport(
        sequence=sequence, balance=Wei(balance), from_block=BlockNumber(0), at=UnixMillis(at), actor="treasurer"
    )


async def all_entries(
    store: Store, network: Network | None = None, first: int = 0, last: int | None = None
) -> list[StoredEntry]:
    """The entries of a store, every one of which can be read."""
    found = [entry async for entry in store.entries(network, first, last)]
    return [entry for entry in found if not isinstance(entry, UndecodableEntry)]


def heights(entries: Sequence[StoredEntry]) -> list[int]:
    return [entry.observation.header.number for entry in entries]


async def all_places(archive: Archive, most: int) -> list[Place]:
    """Where every entry stands, as a walk of pages of at most `most` shows it."""
    places: list[Place] = []
    while page := await archive.entries_below(MAINNET, places[-1] if places else None, most):
        assert len(page) <= most
        places += [entry.place for entry in page]
    return places


class StoreContract:
    """Subclasses give `open_store`: each call is another process's view of one and the same database."""

    @pytest.fixture
    async def store(self, open_store: OpenStore) -> AsyncIterator[KeptStore]:
        store = open_store()
        yield store
        await store.close()

    @pytest.fixture
    async def replica(self, open_store: OpenStore) -> AsyncIterator[KeptStore]:
        replica = open_store()
        yield replica
        await replica.close()

    async def test_a_new_store_holds_nothing(self, store: Store) -> None:
        history = await store.load(MAINNET, 256)
        assert (history.entries, history.governance) == ((), Governance())
        assert await all_entries(store) == []
        assert await store.gaps(None) == []
        assert await store.divergences(None) == 0

    @pytest.mark.parametrize(
        "entry",
        [
            an_entry(1),
            an_entry(2, vault=READ_VAULT),
            an_entry(3, parameters=RATE_LIMITED),
            an_entry(4, parameters=LEGACY),
            replace(an_entry(5), base_fee_verified=False, provider="zwölf"),
        ],
        ids=["plain", "vault", "rate limit", "legacy", "unverified"],
    )
    async def test_an_entry_comes_back_as_it_was(self, store: Store, replica: Store, entry: Entry) -> None:
        appended = await store.append([entry], NOTHING_SEEN)
        assert appended.is_complete
        (stored,) = await all_entries(replica)
        assert stored.recomputed() == entry.quote
        assert stored.claims == claims_of(entry.quote)
        assert (stored.computed_at, stored.provider) == (entry.computed_at, entry.provider)
        assert stored.base_fee_verified == entry.base_fee_verified
        assert (stored.sequence, stored.is_intact) == (1, True)

    async def test_an_entry_that_is_there_already_counts_as_appended(self, store: Store, replica: Store) -> None:
        await store.append(some_entries(1, 3), NOTHING_SEEN)
        appended = await replica.append(some_entries(2, 5), NOTHING_SEEN)
        assert appended.is_complete
        assert heights(await all_entries(store)) == [1, 2, 3, 4, 5]

    async def test_the_first_to_journal_a_block_decides(self, store: Store, replica: Store) -> None:
        await store.append([an_entry(2)], NOTHING_SEEN)
        ours = some_entries(1, 3, parameters=OTHER_PARAMETERS)
        appended = await replica.append(ours, NOTHING_SEEN)
        assert not appended.is_complete
        decided = appended.decided[ours[1].quote.header.hash]
        assert list(appended.decided) == [ours[1].quote.header.hash]
        assert decided.recomputed() == an_entry(2).quote
        assert heights(await all_entries(store)) == [2]

    async def test_nothing_is_written_by_who_missed_a_parameter_change(self, store: Store, replica: Store) -> None:
        change = await store.change_parameters(MAINNET, a_change(alphaData="0.2"), 0)
        appended = await replica.append([an_entry(1)], NOTHING_SEEN, Gap(BlockNumber(0), BlockNumber(0), "absence"))
        assert appended.governance == Governance(change)
        assert not appended.is_complete
        assert await all_entries(store) == []
        assert await store.gaps(None) == []
        assert (await replica.append([an_entry(1)], Governance(change).revision)).is_complete

    async def test_nothing_is_written_by_who_missed_a_pushed_vault(self, store: Store, replica: Store) -> None:
        report = await store.report_vault(MAINNET, a_report(9))
        appended = await replica.append([an_entry(1)], NOTHING_SEEN)
        assert appended.governance == Governance(None, report)
        assert await all_entries(store) == []
        assert (await replica.append([an_entry(1)], Revision(report=9))).is_complete

    async def test_who_is_always_second_learns_of_decisions_all_the_same(self, store: Store, replica: Store) -> None:
        change = await store.change_parameters(MAINNET, a_change(alphaData="0.2"), 0)
        await store.append([an_entry(1, parameters=OTHER_PARAMETERS)], Governance(change).revision)
        appended = await replica.append([an_entry(1)], NOTHING_SEEN)
        assert appended.governance == Governance(change)
        assert len(appended.decided) == 1

    async def test_a_decision_does_not_unsay_what_was_journaled_before(self, store: Store, replica: Store) -> None:
        await store.append([an_entry(1)], NOTHING_SEEN)
        await store.change_parameters(MAINNET, a_change(alphaData="0.2"), 0)
        assert (await replica.append([an_entry(1)], NOTHING_SEEN)).is_complete

    async def test_decisions_of_another_network_do_not_matter(self, store: Store) -> None:
        await store.change_parameters(HOODI, a_change(alphaData="0.2"), 0)
        await store.report_vault(HOODI, a_report(1))
        assert (await store.append([an_entry(1)], NOTHING_SEEN)).is_complete
        assert (await store.load(MAINNET, 1)).governance == Governance()

    async def test_a_start_gets_the_newest_entries_of_its_network_oldest_first(self, store: Store) -> None:
        await store.append(some_entries(1, 5), NOTHING_SEEN)
        await store.append(some_entries(90, 92, network=HOODI), NOTHING_SEEN)
        await store.append([an_entry(6)], NOTHING_SEEN)
        history = await store.load(MAINNET, 3)
        assert heights(history.entries) == [4, 5, 6]
        assert [entry.sequence for entry in history.entries] == [4, 5, 9]
        assert all(entry.is_intact for entry in history.entries)

    async def test_a_start_gets_the_newest_decisions(self, store: Store, replica: Store) -> None:
        await store.change_parameters(MAINNET, a_change(alphaData="0.2"), 0)
        change = await store.change_parameters(MAINNET, a_change(preset="responsive", maxFeeIncrease="0.125"), 1)
        await store.report_vault(MAINNET, a_report(3))
        report = await store.report_vault(MAINNET, a_report(8, balance=10**25))
        assert (await replica.load(MAINNET, 1)).governance == Governance(change, report)
        assert (change.number, report.sequence) == (2, 8)

    async def test_a_block_on_another_branch_is_another_block(self, store: Store) -> None:
        await store.append([an_entry(7)], NOTHING_SEEN)
        assert (await store.append([an_entry(7, branch="b")], NOTHING_SEEN)).is_complete
        assert heights(await all_entries(store)) == [7, 7]

    async def test_the_gap_before_the_entries_is_kept_once(self, store: Store) -> None:
        gap = Gap(BlockNumber(3), BlockNumber(8_000), "absence")
        for _ in range(2):
            await store.append([an_entry(8_001)], NOTHING_SEEN, gap)
        assert await store.gaps(MAINNET) == [gap]
        assert await store.gaps(HOODI) == []

    async def test_a_merge_appends_and_keeps_what_lost_as_a_divergence(self, store: Store, replica: Store) -> None:
        await store.append([an_entry(2)], NOTHING_SEEN)
        spooled = some_entries(1, 3, parameters=OTHER_PARAMETERS)
        gap = Gap(BlockNumber(0), BlockNumber(0), "absence")
        merged = await replica.merge(spooled, [gap])
        assert [entry.recomputed() for entry in merged.decided.values()] == [an_entry(2).quote]
        assert list(merged.decided) == [spooled[1].quote.header.hash]
        assert heights(await all_entries(store)) == [2, 1, 3]
        assert await store.divergences(MAINNET) == 1
        assert await store.divergences(HOODI) == 0
        assert await store.gaps(None) == [gap]

    async def test_a_merge_can_be_repeated(self, store: Store) -> None:
        await store.append([an_entry(2)], NOTHING_SEEN)
        spooled = some_entries(1, 3, parameters=OTHER_PARAMETERS)
        gap = Gap(BlockNumber(0), BlockNumber(0), "absence")
        first = await store.merge(spooled, [gap])
        again = await store.merge(spooled, [gap])
        assert first.decided.keys() == again.decided.keys()
        assert heights(await all_entries(store)) == [2, 1, 3]
        assert await store.divergences(None) == 1
        assert await store.gaps(None) == [gap]

    async def test_a_merge_asks_for_no_decisions(self, store: Store) -> None:
        await store.change_parameters(MAINNET, a_change(alphaData="0.2"), 0)
        assert (await store.merge([an_entry(1)])).decided == {}
        assert heights(await all_entries(store)) == [1]

    async def test_of_two_spooled_quotes_for_a_block_the_first_counts(self, store: Store) -> None:
        """Whoever served the second has to serve the first from now on: it is the one that the journal holds."""
        merged = await store.merge([an_entry(1), an_entry(1, parameters=OTHER_PARAMETERS)])
        (kept,) = await all_entries(store)
        assert merged.decided == {an_entry(1).quote.header.hash: kept}
        assert kept.recomputed() == an_entry(1).quote
        assert await store.divergences(None) == 1

    async def test_a_change_governs_from_the_block_after_the_newest(self, store: Store) -> None:
        first = await store.change_parameters(MAINNET, a_change(alphaData="0.2"), 0)
        await store.append(some_entries(1, 4), Revision(change=1))
        second = await store.change_parameters(MAINNET, a_change(alphaData="0.3"), 1)
        assert [(change.number, change.from_block) for change in (first, second)] == [(1, 0), (2, 5)]
        assert second.parameter_set == a_change(alphaData="0.3").parameter_set
        assert (second.actor, second.reason, second.at) == ("ops", "costs rose", A_MOMENT)

    async def test_the_newest_is_the_one_that_was_appended_last_not_the_highest(self, store: Store) -> None:
        """A chain that was begun anew, or whose head a reorg put back, goes on below heights that it once had."""
        await store.append(some_entries(8, 9), NOTHING_SEEN)
        await store.append([an_entry(4, branch="anew")], NOTHING_SEEN)
        await store.append(some_entries(7, 7, network=HOODI), NOTHING_SEEN)
        change = await store.change_parameters(MAINNET, a_change(alphaData="0.2"), 0)
        report = await store.report_vault(MAINNET, a_report(1))
        assert (change.from_block, report.from_block) == (5, 5)

    async def test_of_two_who_change_at_once_the_second_is_told(self, store: Store, replica: Store) -> None:
        first = await store.change_parameters(MAINNET, a_change("ann", alphaData="0.2"), 0)
        with pytest.raises(ChangeConflictError) as conflict:
            await replica.change_parameters(MAINNET, a_change("bob", alphaData="0.3"), 0)
        assert conflict.value.newest == first
        assert (await replica.load(MAINNET, 0)).governance.change == first

    async def test_a_change_that_was_written_already_is_given_again(self, store: Store) -> None:
        change = a_change(alphaData="0.2")
        first = await store.change_parameters(MAINNET, change, 0)
        await store.append([an_entry(1)], Revision(change=1))
        assert await store.change_parameters(MAINNET, change, 0) == first

    async def test_a_reason_that_no_database_takes_stops_nothing(self, store: Store) -> None:
        change = replace(a_change(alphaData="0.2"), reason="half \ud800 and \0 end")
        assert (await store.change_parameters(MAINNET, change, 0)).number == 1
        stored = (await store.load(MAINNET, 0)).governance.change
        assert stored is not None
        assert stored.parameter_set == change.parameter_set

    async def test_a_pushed_vault_governs_from_the_block_after_the_newest(self, store: Store) -> None:
        await store.append(some_entries(1, 4), NOTHING_SEEN)
        report = await store.report_vault(MAINNET, a_report(1, balance=10**25))
        assert (report.from_block, report.balance, report.actor) == (5, 10**25, "treasurer")

    async def test_a_pushed_vault_that_repeats_the_last_one_is_that(self, store: Store) -> None:
        first = await store.report_vault(MAINNET, a_report(1))
        await store.append([an_entry(1)], Revision(report=1))
        assert await store.report_vault(MAINNET, a_report(1, at=A_MOMENT + 1)) == first

    @pytest.mark.parametrize(("sequence", "balance"), [(4, 3 * ETHER), (5, 4 * ETHER)])
    async def test_a_replayed_vault_is_refused(self, store: Store, sequence: int, balance: int) -> None:
        first = await store.report_vault(MAINNET, a_report(5))
        with pytest.raises(ReportRefusedError):
            await store.report_vault(MAINNET, a_report(sequence, balance=balance))
        assert (await store.load(MAINNET, 0)).governance.report == first

    async def test_a_range_of_entries_is_read_in_append_order(self, store: Store) -> None:
        await store.append(some_entries(5, 9), NOTHING_SEEN)
        await store.append(some_entries(1, 4), NOTHING_SEEN)
        await store.append(some_entries(6, 6, network=HOODI), NOTHING_SEEN)
        assert heights(await all_entries(store, MAINNET, 3, 6)) == [5, 6, 3, 4]
        assert heights(await all_entries(store, None, 3, 6)) == [5, 6, 3, 4, 6]
        assert heights(await all_entries(store, MAINNET, 8)) == [8, 9]
        assert heights(await all_entries(store, HOODI)) == [6]

    async def test_many_entries_are_read_without_a_seam(self, store: Store) -> None:
        await store.append(some_entries(1, 1_201), NOTHING_SEEN)
        entries = await all_entries(store)
        assert heights(entries) == list(range(1, 1_202))
        assert all(entry.is_intact for entry in entries)

    async def test_what_is_appended_during_a_reading_is_read_too(self, store: Store, replica: Store) -> None:
        await store.append(some_entries(1, 600), NOTHING_SEEN)
        seen = []
        async for entry in store.entries(None, 0, None):
            seen.append(entry.sequence)
            if entry.sequence == 1:
                await replica.append([an_entry(601)], NOTHING_SEEN)
        assert seen[:600] == list(range(1, 601))

    async def test_writers_that_write_at_once_leave_no_hole(self, store: Store, replica: Store) -> None:
        numbers = count(1)

        async def write(writer: Store, parameters: Parameters) -> None:
            for _ in range(20):
                await writer.append([an_entry(next(numbers), parameters=parameters)], NOTHING_SEEN)

        await asyncio.gather(write(store, DEFAULTS), write(replica, OTHER_PARAMETERS))
        entries = await all_entries(store)
        assert [entry.sequence for entry in entries] == list(range(1, 41))
        assert all(entry.is_intact for entry in entries)
        assert sorted(heights(entries)) == list(range(1, 41))

    async def test_writers_at_the_same_blocks_agree_on_every_one(self, store: Store, replica: Store) -> None:
        async def write(writer: Store, parameters: Parameters) -> list[str]:
            served = []
            for number in range(1, 21):
                entry = an_entry(number, parameters=parameters)
                appended = await writer.append([entry], NOTHING_SEEN)
                decided = appended.decided.get(entry.quote.header.hash)
                served.append(str(decided.claims["quote_id"]) if decided else entry.quote.quote_id)
            return served

        one, other = await asyncio.gather(write(store, DEFAULTS), write(replica, OTHER_PARAMETERS))
        assert one == other == [entry.claims["quote_id"] for entry in await all_entries(store)]

    async def test_old_entries_are_forgotten_and_the_rest_still_holds(self, store: Store, replica: Store) -> None:
        entries = some_entries(1, 200)
        await store.append(entries, NOTHING_SEEN)
        pruned = await store.prune(entries[49].quote.header.timestamp)
        assert pruned == 49
        assert await store.prune(entries[49].quote.header.timestamp) == 0
        await replica.append([an_entry(201)], NOTHING_SEEN)
        left = await all_entries(replica)
        assert heights(left) == list(range(50, 202))
        assert [entry.sequence for entry in left] == list(range(50, 202))
        assert all(entry.is_intact for entry in left)

    async def test_the_newest_entries_stay_however_old(self, store: Store) -> None:
        await store.append(some_entries(1, 200), NOTHING_SEEN)
        assert await store.prune(UnixSeconds(GENESIS_TIME + 10**8)) == 72
        assert heights(await all_entries(store)) == list(range(73, 201))

    async def test_an_old_block_that_came_late_waits_for_those_before_it(self, store: Store) -> None:
        young, old = some_entries(1_000, 1_200), some_entries(1, 3)
        await store.append([*young, *old, *some_entries(1_201, 1_400)], NOTHING_SEEN)
        assert await store.prune(young[0].quote.header.timestamp) == 0

    async def test_old_divergences_are_forgotten(self, store: Store) -> None:
        await store.append(some_entries(1, 3), NOTHING_SEEN)
        spooled = some_entries(1, 3, parameters=OTHER_PARAMETERS)
        await store.merge(spooled)
        await store.prune(spooled[1].quote.header.timestamp)
        assert await store.divergences(None) == 2

    async def test_the_newest_pushed_vault_stays_however_old(self, store: Store) -> None:
        await store.report_vault(MAINNET, a_report(1))
        newest = await store.report_vault(MAINNET, a_report(2))
        await store.prune(UnixSeconds(GENESIS_TIME + 10**8))
        assert (await store.load(MAINNET, 0)).governance.report == newest

    async def test_parameters_that_a_change_names_outlive_its_entries(self, store: Store) -> None:
        change = await store.change_parameters(MAINNET, a_change(alphaData="0.2"), 0)
        parameters = change.parameter_set.parameters
        await store.append(some_entries(1, 140, parameters=parameters), Revision(change=1))
        await store.append(some_entries(141, 300, parameters=OTHER_PARAMETERS), Revision(change=1))
        assert await store.prune(UnixSeconds(GENESIS_TIME + 10**8)) == 172
        assert (await store.load(MAINNET, 0)).governance.change == change

    async def test_a_store_that_was_closed_can_be_used_again(self, store: Store) -> None:
        await store.append([an_entry(1)], NOTHING_SEEN)
        await store.close()
        assert heights(await all_entries(store)) == [1]

    async def test_looking_back_begins_at_the_greatest_height_and_there_with_what_came_last(
        self, store: KeptStore, replica: KeptStore
    ) -> None:
        await store.append([*some_entries(5, 7), an_entry(6, branch="b"), *some_entries(1, 2)], NOTHING_SEEN)
        await store.append(some_entries(8, 9, network=HOODI), NOTHING_SEEN)
        found = await replica.entries_below(MAINNET, None, 100)
        assert [(entry.place.block, entry.sequence) for entry in found] == [
            (7, 3),
            (6, 4),
            (6, 2),
            (5, 1),
            (2, 6),
            (1, 5),
        ]
        assert [entry.is_intact for entry in found if isinstance(entry, StoredEntry)] == [True] * 6

    @pytest.mark.parametrize(
        ("place", "expected"),
        [
            (Place(BlockNumber(6), 0), [1, 6, 5]),
            (Place(BlockNumber(6), 4), [2, 1, 6, 5]),
            (Place(BlockNumber(6), 3), [2, 1, 6, 5]),
            (Place(BlockNumber(99), 0), [3, 4, 2, 1, 6, 5]),
            (Place(BlockNumber(1), 5), []),
            (Place(BlockNumber(0), 0), []),
            (Place(BlockNumber(10**15 - 1), 10**18 - 1), [3, 4, 2, 1, 6, 5]),
        ],
    )
    async def test_looking_back_goes_on_below_any_place(
        self, store: KeptStore, place: Place, expected: list[int]
    ) -> None:
        await store.append([*some_entries(5, 7), an_entry(6, branch="b"), *some_entries(1, 2)], NOTHING_SEEN)
        assert [entry.sequence for entry in await store.entries_below(MAINNET, place, 100)] == expected
        assert [entry.sequence for entry in await store.entries_below(MAINNET, place, 2)] == expected[:2]

    @pytest.mark.parametrize("seed", range(3))
    async def test_a_walk_misses_and_repeats_nothing_whatever_is_appended_meanwhile(
        self, store: KeptStore, replica: KeptStore, seed: int
    ) -> None:
        random = Random(seed)  # noqa: S311 - no secret
        names = count()

        async def append_some() -> None:
            blocks = [an_entry(random.randint(90, 130), branch=f"b{next(names)}") for _ in range(random.randint(1, 6))]
            await replica.append(blocks, NOTHING_SEEN)

        for _ in range(6):
            await append_some()
        before = await all_places(store, 100)
        walked: list[Place] = []
        while page := await store.entries_below(MAINNET, walked[-1] if walked else None, random.randint(1, 4)):
            walked += [entry.place for entry in page]
            await append_some()
        in_order = sorted(walked, key=lambda place: (place.block, place.sequence), reverse=True)
        assert walked == in_order
        assert len(set(walked)) == len(walked)
        assert [place for place in walked if place in before] == before

    async def test_gaps_are_found_by_the_blocks_that_they_hold(self, store: KeptStore) -> None:
        gaps = [Gap(BlockNumber(first), BlockNumber(last), "absence") for first, last in ((10, 20), (40, 40), (50, 90))]
        for number, gap in zip((21, 41, 91), gaps, strict=True):
            await store.append([an_entry(number)], NOTHING_SEEN, gap)
        assert await store.gaps_between(MAINNET, 0, None, 10) == gaps[::-1]
        assert await store.gaps_between(MAINNET, 20, 40, 10) == [gaps[1], gaps[0]]
        assert await store.gaps_between(MAINNET, 21, 39, 10) == []
        assert await store.gaps_between(MAINNET, 60, 70, 10) == [gaps[2]]
        assert await store.gaps_between(MAINNET, 0, 10, 10) == [gaps[0]]
        assert await store.gaps_between(MAINNET, 0, None, 1) == [gaps[2]]
        assert await store.gaps_between(HOODI, 0, None, 10) == []

    async def test_every_change_can_be_looked_up_newest_first(self, store: KeptStore, replica: KeptStore) -> None:
        placed = [
            await store.change_parameters(MAINNET, a_change(alphaData=f"0.{number}"), number) for number in range(5)
        ]
        await store.change_parameters(HOODI, a_change("bob", alphaData="0.9"), 0)
        assert await replica.changes_below(MAINNET, None, 10) == placed[::-1]
        assert await replica.changes_below(MAINNET, 4, 2) == [placed[2], placed[1]]
        assert await replica.changes_below(MAINNET, 1, 10) == []

    async def test_every_pushed_vault_can_be_looked_up_newest_first(self, store: KeptStore) -> None:
        placed = [await store.report_vault(MAINNET, a_report(sequence)) for sequence in (3, 7, 8, 2**53 - 1)]
        await store.report_vault(HOODI, a_report(5))
        assert await store.reports_below(MAINNET, None, 10) == placed[::-1]
        assert await store.reports_below(MAINNET, 8, 1) == [placed[1]]
        assert await store.reports_below(MAINNET, 3, 10) == []
