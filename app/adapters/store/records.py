"""What the store is asked, as transactions. Everything here blocks."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice, takewhile
from types import MappingProxyType
from typing import Any, Final, TypeVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    RowMapping,
    Select,
    Table,
    Tuple,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    tuple_,
    update,
)

from app.adapters.store.database import Backend, Database
from app.adapters.store.rows import (
    UNREADABLE,
    Cell,
    Decision,
    UnreadableRowError,
    change_cells,
    change_of,
    decision_of,
    digest_of,
    entry_cells,
    entry_of,
    gap_of,
    network_cells,
    parameters_text,
    report_cells,
    report_of,
)
from app.adapters.store.tables import (
    DIVERGENCES,
    ENDS_ID,
    ENTRIES,
    GAPS,
    JOURNAL_ENDS,
    PARAMETER_CHANGES,
    PARAMETER_SETS,
    VAULT_REPORTS,
)
from app.domain.advance import REORG_WINDOW_BLOCKS
from app.domain.errors import shown
from app.domain.governance import Governance, ParameterChange, Revision, VaultReport, judged_report
from app.domain.network import Network
from app.domain.parameters import Parameters
from app.domain.units import MILLIS_PER_SECOND, BlockNumber, UnixSeconds
from app.engine.entries import Entry, Gap, Place, StoredEntry, UndecodableEntry
from app.engine.ports import (
    Appended,
    ChangeConflictError,
    History,
    Merged,
    StoreError,
    StoreFault,
    UndecodableDecision,
)

Item = TypeVar("Item")

_HASHES_AT_ONCE: Final = 500
_PRUNED_AT_ONCE: Final = 5_000


class Records:
    """The journal's records in one database."""

    def __init__(self, backend: Backend, *, must_exist: bool, instance: str) -> None:
        self._database: Final = Database(backend, must_exist=must_exist)
        self._instance: Final = instance

    def break_off(self) -> None:
        """Make the transaction that is under way fail, and any further one; from any thread."""
        self._database.break_off()

    def close(self) -> None:
        """Let go of the connection."""
        self._database.close()

    def load(self, network: Network, most: int) -> History:
        """As `Store.load`."""
        with self._database.transaction(writes=False) as connection:
            newest = _entries().where(_is_of(ENTRIES, network)).order_by(ENTRIES.c.sequence.desc()).limit(most)
            read = [entry_of(row) for row in connection.execute(newest).mappings()]
            governance = _governance(connection, network)
        return History(tuple(entry for entry in reversed(read) if isinstance(entry, StoredEntry)), governance)

    def append(self, entries: Sequence[Entry], seen: Revision, gap: Gap | None) -> Appended:
        """As `Store.append`, for at least one entry."""
        network = entries[0].quote.network
        with self._database.transaction(writes=True) as connection:
            new, decided = _sorted_out(connection, network, entries)
            governance = _newer(_governance(connection, network), seen) if new or decided else None
            if not decided and governance is None:
                self._write(connection, new)
                _write_gaps(connection, network, () if gap is None else (gap,))
        return Appended(MappingProxyType(decided), governance)

    def merge(self, entries: Sequence[Entry], gaps: Sequence[Gap]) -> Merged:
        """As `Store.merge`, for at least one entry."""
        network = entries[0].quote.network
        with self._database.transaction(writes=True) as connection:
            new, decided = _sorted_out(connection, network, entries)
            self._write(connection, new)
            accepted = {entry.quote.header.hash: entry.quote.quote_id for entry in new}
            lost = [entry for entry in entries if _has_lost(entry, accepted, decided)]
            self._write_divergences(connection, network, lost)
            to_our_own = [entry.quote.header.hash for entry in lost if entry.quote.header.hash in accepted]
            decided |= _read(connection, network, to_our_own)
            _write_gaps(connection, network, gaps)
        return Merged(MappingProxyType(decided))

    def change_parameters(self, network: Network, change: ParameterChange, seen: int) -> ParameterChange:
        """As `Store.change_parameters`."""
        with self._database.transaction(writes=True) as connection:
            newest = _newest_change(connection, network)
            if (
                newest is not None
                and newest.number == seen + 1
                and newest == replace(change, number=newest.number, from_block=newest.from_block)
            ):
                return newest
            if seen != (newest.number if newest else 0):
                raise ChangeConflictError(newest)
            placed = replace(change, number=seen + 1, from_block=_next_block(connection, network))
            _write_parameters(connection, (placed.parameter_set.parameters,))
            connection.execute(insert(PARAMETER_CHANGES), change_cells(network, placed))
        return placed

    def report_vault(self, network: Network, report: VaultReport) -> VaultReport:
        """As `Store.report_vault`."""
        with self._database.transaction(writes=True) as connection:
            last = _newest_report(connection, network)
            if judged_report(report, last) is last and last is not None:
                return last
            placed = replace(report, from_block=_next_block(connection, network))
            connection.execute(insert(VAULT_REPORTS), report_cells(network, placed))
        return placed

    def entries_after(
        self, sequence: int, most: int, network: Network | None, first: int, last: int | None
    ) -> Sequence[StoredEntry | UndecodableEntry]:
        """At most `most` entries of blocks `first` to `last` after `sequence`, in append order."""
        query = _entries().where(ENTRIES.c.sequence > sequence, _is_of(ENTRIES, network))
        if first > 0:
            query = query.where(ENTRIES.c.block_number >= first)
        if last is not None:
            query = query.where(ENTRIES.c.block_number <= last)
        with self._database.transaction(writes=False) as connection:
            rows = connection.execute(query.order_by(ENTRIES.c.sequence).limit(most)).mappings().all()
        return [entry_of(row) for row in rows]

    def wrong_end(self) -> UndecodableEntry | None:
        """What contradicts the journal's ends: a newest entry that is gone, or a pruned one that is there."""
        newest = select(func.max(ENTRIES.c.sequence)).scalar_subquery()
        oldest = select(func.min(ENTRIES.c.sequence)).scalar_subquery()
        query = select(
            JOURNAL_ENDS.c.last_sequence,
            JOURNAL_ENDS.c.pruned_sequence,
            newest.label("newest"),
            oldest.label("oldest"),
        )
        with self._database.transaction(writes=False) as connection:
            ends = connection.execute(query.where(JOURNAL_ENDS.c.id == ENDS_ID)).mappings().one_or_none()
        if ends is None:
            return UndecodableEntry(0, None, "the row that tells the journal's ends is gone")
        if ends["oldest"] is not None and ends["oldest"] <= ends["pruned_sequence"]:
            why = f"entries up to {ends['pruned_sequence']} are said to be pruned, and this one is there"
            return UndecodableEntry(ends["oldest"], None, why)
        held = ends["pruned_sequence"] if ends["newest"] is None else ends["newest"]
        if held == ends["last_sequence"]:
            return None
        return UndecodableEntry(ends["last_sequence"], None, f"written as the newest, and gone: the newest is {held}")

    def gaps(self, network: Network | None) -> Sequence[Gap]:
        """As `Store.gaps`."""
        query = select(GAPS).where(_is_of(GAPS, network)).order_by(GAPS.c.first_block, GAPS.c.last_block)
        with self._database.transaction(writes=False) as connection:
            rows = connection.execute(query).mappings().all()
        return _gaps(rows)

    def divergences(self, network: Network | None) -> int:
        """As `Store.divergences`."""
        query = select(func.count()).select_from(DIVERGENCES).where(_is_of(DIVERGENCES, network))
        with self._database.transaction(writes=False) as connection:
            return int(connection.execute(query).scalar_one())

    def entries_below(
        self, network: Network, place: Place | None, most: int
    ) -> Sequence[StoredEntry | UndecodableEntry]:
        """As `Archive.entries_below`."""
        query = _entries().where(_is_of(ENTRIES, network))
        if place is not None:
            query = query.where(tuple_(ENTRIES.c.block_number, ENTRIES.c.sequence) < _below(place))
        query = query.order_by(ENTRIES.c.block_number.desc(), ENTRIES.c.sequence.desc()).limit(most)
        with self._database.transaction(writes=False) as connection:
            rows = connection.execute(query).mappings().all()
        return [entry_of(row) for row in rows]

    def gaps_between(self, network: Network, first: int, last: int | None, most: int) -> Sequence[Gap]:
        """As `Archive.gaps_between`."""
        query = select(GAPS).where(_is_of(GAPS, network), GAPS.c.last_block >= first)
        if last is not None:
            query = query.where(GAPS.c.first_block <= last)
        query = query.order_by(GAPS.c.first_block.desc(), GAPS.c.last_block.desc()).limit(most)
        with self._database.transaction(writes=False) as connection:
            rows = connection.execute(query).mappings().all()
        return _gaps(rows)

    def changes_below(
        self, network: Network, number: int | None, most: int
    ) -> Sequence[ParameterChange | UndecodableDecision]:
        """As `Archive.changes_below`."""
        query = _changes(network)
        if number is not None:
            query = query.where(PARAMETER_CHANGES.c.number < number)
        with self._database.transaction(writes=False) as connection:
            rows = connection.execute(query.limit(most)).mappings().all()
        return _decisions(rows, "number", change_of)

    def reports_below(
        self, network: Network, sequence: int | None, most: int
    ) -> Sequence[VaultReport | UndecodableDecision]:
        """As `Archive.reports_below`."""
        query = _reports(network)
        if sequence is not None:
            query = query.where(VAULT_REPORTS.c.sequence < sequence)
        with self._database.transaction(writes=False) as connection:
            rows = connection.execute(query.limit(most)).mappings().all()
        return _decisions(rows, "sequence", report_of)

    def prune(self, before: UnixSeconds) -> int:
        """As `Store.prune`: from the oldest on, up to the first that is young enough. The digest chain goes on."""
        with self._database.transaction(writes=True) as connection:
            oldest = (
                select(ENTRIES.c.sequence, ENTRIES.c.digest, _is_older(before).label("is_old"))
                .where(ENTRIES.c.sequence <= _ends(connection).last_sequence - REORG_WINDOW_BLOCKS)
                .order_by(ENTRIES.c.sequence)
                .limit(_PRUNED_AT_ONCE)
            )
            pruned = list(takewhile(lambda row: row.is_old, connection.execute(oldest)))
            if pruned:
                newest = pruned[-1]
                connection.execute(delete(ENTRIES).where(ENTRIES.c.sequence <= newest.sequence))
                _set_ends(connection, pruned_sequence=newest.sequence, pruned_digest=newest.digest)
            _forget_divergences(connection, before)
            _forget_reports(connection, before)
            if pruned:
                _forget_parameters(connection)
        return len(pruned)

    def _write(self, connection: Connection, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        _write_parameters(connection, (entry.quote.formula.parameters for entry in entries))
        ends = _ends(connection)
        sequence, digest = ends.last_sequence, ends.last_digest
        rows: list[dict[str, Cell]] = []
        for entry in entries:
            sequence += 1
            cells = {"sequence": sequence, **entry_cells(entry, self._instance)}
            digest = digest_of(digest, cells)
            rows.append({**cells, "digest": digest})
        connection.execute(insert(ENTRIES), rows)
        _set_ends(connection, last_sequence=sequence, last_digest=digest)

    def _write_divergences(self, connection: Connection, network: Network, lost: Sequence[Entry]) -> None:
        rows = {(entry.quote.header.hash, entry.quote.quote_id): entry_cells(entry, self._instance) for entry in lost}
        known: set[tuple[str, str]] = set()
        for hashes in _chunks((block_hash for block_hash, _ in rows), _HASHES_AT_ONCE):
            query = select(DIVERGENCES.c.block_hash, DIVERGENCES.c.quote_id)
            query = query.where(_is_of(DIVERGENCES, network), DIVERGENCES.c.block_hash.in_(hashes))
            known.update((row.block_hash, row.quote_id) for row in connection.execute(query))
        new = [cells for key, cells in rows.items() if key not in known]
        if new:
            _write_parameters(connection, (entry.quote.formula.parameters for entry in lost))
            connection.execute(insert(DIVERGENCES), new)


def _entries() -> Select[Any]:
    """Entries with the digest before each, and their parameters."""
    before = ENTRIES.alias("before")
    joined = (
        ENTRIES.outerjoin(before, before.c.sequence == ENTRIES.c.sequence - 1)
        .outerjoin(
            JOURNAL_ENDS,
            and_(JOURNAL_ENDS.c.id == ENDS_ID, JOURNAL_ENDS.c.pruned_sequence == ENTRIES.c.sequence - 1),
        )
        .outerjoin(PARAMETER_SETS, PARAMETER_SETS.c.parameters_id == ENTRIES.c.parameters_id)
    )
    previous_digest = func.coalesce(before.c.digest, JOURNAL_ENDS.c.pruned_digest).label("previous_digest")
    return select(ENTRIES, PARAMETER_SETS.c.content, previous_digest).select_from(joined)


def _sorted_out(
    connection: Connection, network: Network, entries: Sequence[Entry]
) -> tuple[list[Entry], dict[str, StoredEntry]]:
    """Those whose blocks have no entry yet, one for a block; and by block hash the entries that differ from ours."""
    ours: dict[str, Entry] = {}
    for entry in entries:
        ours.setdefault(entry.quote.header.hash, entry)
    stored: dict[str, str] = {}
    for hashes in _chunks(ours, _HASHES_AT_ONCE):
        query = select(ENTRIES.c.block_hash, ENTRIES.c.quote_id)
        query = query.where(_is_of(ENTRIES, network), ENTRIES.c.block_hash.in_(hashes))
        stored.update((row.block_hash, row.quote_id) for row in connection.execute(query))
    new = [entry for block_hash, entry in ours.items() if block_hash not in stored]
    differing = [entry.quote.header.hash for entry in entries if _differs(entry, stored)]
    return new, _read(connection, network, differing)


def _differs(entry: Entry, stored: Mapping[str, str]) -> bool:
    return stored.get(entry.quote.header.hash, entry.quote.quote_id) != entry.quote.quote_id


def _has_lost(entry: Entry, accepted: Mapping[str, str], decided: Mapping[str, StoredEntry]) -> bool:
    """Whether another entry is kept for its block: one that was there, or an earlier one of ours."""
    winner = decided.get(entry.quote.header.hash)
    if winner is not None:
        return winner.claims["quote_id"] != entry.quote.quote_id
    return _differs(entry, accepted)


def _read(connection: Connection, network: Network, hashes: Sequence[str]) -> dict[str, StoredEntry]:
    found: dict[str, StoredEntry] = {}
    for chunk in _chunks(hashes, _HASHES_AT_ONCE):
        query = _entries().where(_is_of(ENTRIES, network), ENTRIES.c.block_hash.in_(chunk))
        for row in connection.execute(query).mappings():
            entry = entry_of(row)
            if isinstance(entry, UndecodableEntry):
                raise StoreError(StoreFault.CORRUPT, f"entry {entry.sequence} cannot be read: {entry.why}")
            found[entry.observation.header.hash] = entry
    return found


def _governance(connection: Connection, network: Network) -> Governance:
    return Governance(_newest_change(connection, network), _newest_report(connection, network))


def _newer(governance: Governance, seen: Revision) -> Governance | None:
    revision = governance.revision
    return governance if revision.change > seen.change or revision.report > seen.report else None


def _newest_change(connection: Connection, network: Network) -> ParameterChange | None:
    row = connection.execute(_changes(network).limit(1)).mappings().one_or_none()
    try:
        return None if row is None else change_of(row)
    except UNREADABLE as error:
        problem = str(error)
    raise StoreError(StoreFault.CORRUPT, f"the newest parameter change cannot be read: {problem}")


def _newest_report(connection: Connection, network: Network) -> VaultReport | None:
    row = connection.execute(_reports(network).limit(1)).mappings().one_or_none()
    try:
        return None if row is None else report_of(row)
    except UNREADABLE as error:
        problem = str(error)
    raise StoreError(StoreFault.CORRUPT, f"the newest vault report cannot be read: {problem}")


def _changes(network: Network) -> Select[Any]:
    """Parameter changes with their parameters, newest first."""
    return (
        select(PARAMETER_CHANGES, PARAMETER_SETS.c.content)
        .join_from(PARAMETER_CHANGES, PARAMETER_SETS, isouter=True)
        .where(_is_of(PARAMETER_CHANGES, network))
        .order_by(PARAMETER_CHANGES.c.number.desc())
    )


def _reports(network: Network) -> Select[Any]:
    """Vault reports, newest first."""
    return select(VAULT_REPORTS).where(_is_of(VAULT_REPORTS, network)).order_by(VAULT_REPORTS.c.sequence.desc())


def _decisions(
    rows: Sequence[RowMapping], number: str, read: Callable[[Mapping[Any, object]], Decision]
) -> list[Decision | UndecodableDecision]:
    try:
        return [decision_of(row, number, read) for row in rows]
    except UnreadableRowError as error:
        problem = str(error)
    raise StoreError(StoreFault.CORRUPT, f"a decision cannot be read: {problem}")


def _gaps(rows: Sequence[RowMapping]) -> list[Gap]:
    try:
        return [gap_of(row) for row in rows]
    except UnreadableRowError as error:
        problem = str(error)
    raise StoreError(StoreFault.CORRUPT, f"a gap cannot be read: {problem}")


def _below(place: Place) -> Tuple:
    """What the rows below `place` are less than. SQLite keeps whatever somebody puts into a column, and orders it."""
    if place.block is not None:
        return tuple_(literal(place.block, BigInteger), literal(place.sequence, BigInteger))
    held = ENTRIES.alias("held")
    block = select(held.c.block_number).where(held.c.sequence == place.sequence).scalar_subquery()
    return tuple_(block, literal(place.sequence, BigInteger))


def _next_block(connection: Connection, network: Network) -> BlockNumber:
    """By append order: a reorg or a chain begun anew goes on below the greatest height."""
    query = select(ENTRIES.c.block_number).where(_is_of(ENTRIES, network))
    newest = connection.execute(query.order_by(ENTRIES.c.sequence.desc()).limit(1)).scalar()
    if newest is None:
        return BlockNumber(0)
    _require_whole(newest)
    return BlockNumber(newest + 1)


def _write_parameters(connection: Connection, sets: Iterable[Parameters]) -> None:
    wanted = {parameters.parameters_id: parameters for parameters in set(sets)}
    query = select(PARAMETER_SETS.c.parameters_id).where(PARAMETER_SETS.c.parameters_id.in_(wanted))
    known = set(connection.execute(query).scalars())
    new = [
        {"parameters_id": key, "content": parameters_text(value)} for key, value in wanted.items() if key not in known
    ]
    if new:
        connection.execute(insert(PARAMETER_SETS), new)


def _write_gaps(connection: Connection, network: Network, gaps: Sequence[Gap]) -> None:
    query = select(GAPS.c.first_block, GAPS.c.last_block).where(_is_of(GAPS, network))
    known = {(row.first_block, row.last_block) for row in connection.execute(query)} if gaps else set()
    new = {(gap.first, gap.last): gap.reason for gap in gaps if (gap.first, gap.last) not in known}
    for (first, last), reason in new.items():
        cells = {**network_cells(network), "first_block": first, "last_block": last, "reason": reason}
        connection.execute(insert(GAPS), cells)


def _ends(connection: Connection) -> Row[Any]:
    row = connection.execute(select(JOURNAL_ENDS).where(JOURNAL_ENDS.c.id == ENDS_ID)).one_or_none()
    if row is None:
        raise StoreError(StoreFault.CORRUPT, "the row that tells the journal's ends is gone")
    _require_whole(row.last_sequence)
    return row


def _require_whole(value: object) -> None:
    """SQLite keeps whatever somebody puts into a column."""
    if not isinstance(value, int):
        raise StoreError(StoreFault.CORRUPT, f"a whole number was expected, and {shown(value)} found")


def _set_ends(connection: Connection, **values: Cell) -> None:
    connection.execute(update(JOURNAL_ENDS).where(JOURNAL_ENDS.c.id == ENDS_ID).values(**values))


def _is_older(before: UnixSeconds) -> ColumnElement[bool]:
    """By the block's time or when it was priced: a false time in the future must not keep its entry, and all later."""
    return or_(ENTRIES.c.timestamp < before, ENTRIES.c.computed_at < before * MILLIS_PER_SECOND)


def _forget_divergences(connection: Connection, before: UnixSeconds) -> None:
    key = tuple(DIVERGENCES.primary_key.columns)
    query = select(*key).where(DIVERGENCES.c.timestamp < before).limit(_HASHES_AT_ONCE)
    for row in connection.execute(query).all():
        connection.execute(
            delete(DIVERGENCES).where(*(column == value for column, value in zip(key, row, strict=True)))
        )


def _forget_reports(connection: Connection, before: UnixSeconds) -> None:
    later = VAULT_REPORTS.alias("later")
    is_not_newest = exists().where(
        later.c.l1_chain_id == VAULT_REPORTS.c.l1_chain_id,
        later.c.l2_chain_id == VAULT_REPORTS.c.l2_chain_id,
        later.c.sequence > VAULT_REPORTS.c.sequence,
    )
    connection.execute(delete(VAULT_REPORTS).where(VAULT_REPORTS.c.at < before * MILLIS_PER_SECOND, is_not_newest))


def _forget_parameters(connection: Connection) -> None:
    used = or_(
        *(
            exists().where(table.c.parameters_id == PARAMETER_SETS.c.parameters_id)
            for table in (ENTRIES, DIVERGENCES, PARAMETER_CHANGES)
        )
    )
    connection.execute(delete(PARAMETER_SETS).where(~used))


def _is_of(table: Table, network: Network | None) -> ColumnElement[bool]:
    if network is None:
        return true()
    return and_(table.c.l1_chain_id == network.l1_chain_id, table.c.l2_chain_id == network.l2_chain_id)


def _chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    left = iter(items)
    while chunk := list(islice(left, size)):
        yield chunk
