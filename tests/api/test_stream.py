"""`GET /v1/fee/stream`: whatever changes and whoever is slow, the last event that a reader holds is true."""

import asyncio
import functools
import itertools
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Message, Scope

from app.api.problems import ProblemError
from app.api.stream import (
    GREATEST_RETRY_MILLIS,
    HEARTBEAT_SECONDS,
    LEAST_RETRY_MILLIS,
    PATIENCE_SECONDS,
    FeeStream,
)
from app.domain.quote import Quote
from app.domain.units import BlockNumber, UnixMillis
from app.engine.ports import FeedStatus
from tests.api.house import (
    BORN,
    FULL_DISK,
    HEAD_TIME,
    JOURNALED,
    NO_WITNESS,
    ONE_WITNESS,
    TWO_WITNESSES,
    HandClock,
    House,
    build_house,
    sample_header,
    sample_quote,
)
from tests.virtual_time import run_in_virtual_time

URN = "urn:taiko-fee-oracle:problem:"
POLL_SECONDS = 2


def in_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """The test on a loop whose time moves when nothing else can."""

    @functools.wraps(test)
    def run(*arguments: object, **named: object) -> None:
        run_in_virtual_time(test(*arguments, **named))

    return run


class LoopClock(HandClock):
    """A host's clock on the loop's time."""

    def now(self) -> UnixMillis:
        return UnixMillis(self.wall + round(self.monotonic() * 1000))

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


@dataclass(frozen=True)
class Event:
    """One event as a reader's parser gives it."""

    name: str
    data: bytes
    id: str | None

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.data)
        return body


class Reader:
    """A reader and the server before it: it takes what is sent, unless it is held."""

    def __init__(self, stream: FeeStream, *, method: str = "GET", query: bytes = b"", last_event: bytes = b"") -> None:
        self.start: Message = {}
        self.chunks: list[bytes] = []
        self.is_complete = False
        self.pending = 0
        self._takes = asyncio.Event()
        self._takes.set()
        self._left = asyncio.Event()
        self._requests = itertools.count()
        headers = [(b"last-event-id", last_event)] if last_event else []
        scope: Scope = {
            "type": "http",
            "method": method,
            "path": "/v1/fee/stream",
            "query_string": query,
            "headers": headers,
        }
        self.answer = asyncio.create_task(stream(scope, self._receive, self._send))

    def hold(self) -> None:
        self._takes.clear()

    def release(self) -> None:
        self._takes.set()

    def leave(self) -> None:
        self.release()
        self._left.set()

    @property
    def is_live(self) -> bool:
        return not self.answer.done()

    @property
    def events(self) -> list[Event]:
        return [event for event, _ in self._parsed() if event is not None]

    @property
    def comments(self) -> list[str]:
        return [comment for _, comment in self._parsed() if comment is not None]

    @property
    def last(self) -> Event:
        return self.events[-1]

    def _parsed(self) -> list[tuple[Event | None, str | None]]:
        """What WHATWG HTML section 9.2.6 makes of the bytes."""
        parsed: list[tuple[Event | None, str | None]] = []
        fields: dict[str, str] = {}
        for line in b"".join(self.chunks).decode().split("\n"):
            name, _, value = line.partition(":")
            if line.startswith(":"):
                parsed.append((None, value))
            elif line:
                assert name not in fields, "one line for each field"
                fields[name] = value.removeprefix(" ")
            else:
                if "data" in fields:
                    parsed.append((Event(fields["event"], fields["data"].encode(), fields.get("id")), None))
                fields = {}
        assert fields == {}, "every event is ended"
        return parsed

    async def _receive(self) -> Message:
        if next(self._requests) == 0:
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.pending += 1
        assert self.pending == 1, "one event waits at most"
        try:
            await self._takes.wait()
        finally:
            self.pending -= 1
        if self._left.is_set():
            return
        if message["type"] == "http.response.start":
            self.start = message
            return
        assert not self.is_complete
        self.chunks.append(message["body"])
        self.is_complete = not message.get("more_body", False)


def house_in_time(quote: Quote | None = None, *, journal_required: bool = False, most: int = 2000) -> House:
    return build_house(
        quote=sample_quote() if quote is None else quote,
        journal_required=journal_required,
        stream_clients_max=most,
        clock=LoopClock(),
    )


def quote_at(blocks: int) -> Quote:
    """The quote of the example, or of a block after it, at another base fee."""
    header = sample_header(base_fee=25 * 10**9 + blocks, timestamp=HEAD_TIME + 12 * blocks)
    number = BlockNumber(header.number + blocks)
    return sample_quote(header=replace(header, number=number, hash=f"0x{number:064x}"))


def publish(house: House, quote: Quote) -> None:
    house.board.publish(quote, house.clock.now(), True)  # noqa: FBT003 - as the engine calls it


async def polls(house: House, status: FeedStatus, seconds: float) -> None:
    """Time with a poll loop that finds nothing new."""
    for _ in range(round(seconds / POLL_SECONDS)):
        house.board.feed(status)
        await asyncio.sleep(POLL_SECONDS)


async def settled() -> None:
    """Let everything happen that needs no time."""
    for _ in range(20):
        await asyncio.sleep(0)


async def reading(stream: FeeStream) -> Reader:
    reader = Reader(stream)
    await settled()
    return reader


def heard(reader: Reader) -> list[tuple[str, str]]:
    """What each event said: a quote's status, a problem's name, or why it is the last."""
    telling = {"quote": "status", "unavailable": "type", "end": "reason"}
    return [(event.name, str(event.body[telling[event.name]]).removeprefix(URN)) for event in reader.events]


@in_virtual_time
async def test_who_comes_gets_at_once_what_a_get_gives_and_headers_against_buffers() -> None:
    house = house_in_time()
    reader = await reading(FeeStream(house.context))
    got = await house.get("/v1/fee")
    assert reader.start["status"] == 200
    assert dict(reader.start["headers"]) == {
        b"content-type": b"text/event-stream",
        b"cache-control": b"no-store",
        b"x-accel-buffering": b"no",
        b"connection": b"close",
    }
    assert reader.events == [Event("quote", got.content, got.headers["etag"].removeprefix("W/").strip('"'))]
    reader.leave()


@in_virtual_time
async def test_who_comes_back_gets_the_state_even_if_it_has_it_already() -> None:
    house = house_in_time()
    stream = FeeStream(house.context)
    first = await reading(stream)
    again = Reader(stream, last_event=str(first.last.id).encode())
    await settled()
    assert again.events == first.events


@in_virtual_time
async def test_readers_are_told_to_come_back_each_at_another_time() -> None:
    stream = FeeStream(house_in_time().context)
    readers = [await reading(stream) for _ in range(50)]
    retries = [int(reader.chunks[0].removeprefix(b"retry: ").removesuffix(b"\n\n")) for reader in readers]
    assert all(LEAST_RETRY_MILLIS <= retry < GREATEST_RETRY_MILLIS for retry in retries)
    assert len(set(retries)) == len(retries)


@in_virtual_time
async def test_each_new_quote_is_told_to_every_reader_and_made_once_for_all() -> None:
    house = house_in_time()
    stream = FeeStream(house.context)
    readers = [await reading(stream) for _ in range(3)]
    for blocks in (1, 2):
        publish(house, quote_at(blocks))
        await settled()
        got = (await house.get("/v1/fee")).content
        assert all(reader.last.data == got for reader in readers)
        assert len({id(reader.chunks[-1]) for reader in readers}) == 1
    assert [len(reader.events) for reader in readers] == [3, 3, 3]


@in_virtual_time
async def test_polls_that_change_nothing_tell_nothing() -> None:
    house = house_in_time()
    reader = await reading(FeeStream(house.context))
    await polls(house, ONE_WITNESS, HEARTBEAT_SECONDS - POLL_SECONDS)
    house.board.journal(JOURNALED)
    publish(house, sample_quote())
    await settled()
    assert [event.body["status"] for event in reader.events] == ["fresh", "fresh"], "the repeat has another computedAt"
    assert reader.comments == []


@in_virtual_time
async def test_a_quote_that_ages_is_told_of_in_the_millisecond_in_which_its_status_changes() -> None:
    house = house_in_time()
    reader = await reading(FeeStream(house.context))
    for status, age in (("stale", 48), ("expired", 180)):
        last_moment = BORN + age * 1000
        await asyncio.sleep((last_moment - house.clock.now()) / 1000)
        await settled()
        before = len(reader.events)
        await asyncio.sleep(0.001)
        await settled()
        assert len(reader.events) == before + 1
        assert (reader.last.body["status"], reader.last.name) in {("stale", "quote"), (503, "unavailable")}, status
    assert reader.last.body["lastQuote"]["status"] == "expired"
    assert reader.last.id is None


@in_virtual_time
async def test_while_a_quote_is_stale_its_ceiling_is_told_with_each_block_that_may_have_come() -> None:
    house = house_in_time()
    reader = await reading(FeeStream(house.context))
    await polls(house, ONE_WITNESS, 100)
    stale = [event.body for event in reader.events if event.body["status"] == "stale"]
    ceilings = [body["ceilingFeePerGas"] for body in stale]
    assert len(ceilings) == 5, "48, 60, 72, 84 and 96 seconds of age"
    assert ceilings == sorted(set(ceilings))
    assert reader.last.data == (await house.get("/v1/fee")).content


@in_virtual_time
async def test_a_poll_loop_that_dies_is_noticed_without_it() -> None:
    house = house_in_time()
    house.board.feed(TWO_WITNESSES)
    reader = await reading(FeeStream(house.context))
    assert reader.last.body["expiresAt"] == "2025-11-26T11:58:23.000Z"
    await asyncio.sleep(house.board.pulse_limit_seconds + 0.01)
    assert reader.last.body["expiresAt"] == "2025-11-26T11:46:23.000Z"
    await asyncio.sleep(30)
    assert reader.last.body["staleReason"] == "l1_unreachable"
    assert reader.last.data == (await house.get("/v1/fee")).content


@in_virtual_time
async def test_before_the_first_quote_the_cause_is_told_once_and_then_the_quote() -> None:
    house = build_house(clock=LoopClock())
    reader = await reading(FeeStream(house.context))
    for failures in range(1, 5):
        house.board.feed(FeedStatus(consecutive_failures=failures, failure_reason="timeout"))
        await asyncio.sleep(POLL_SECONDS)
    assert reader.last.body == (await house.get("/v1/fee")).json() | {"detail": reader.last.body["detail"]}
    publish(house, quote_at(0))
    await settled()
    assert heard(reader) == [
        ("unavailable", "quote-unavailable"),
        ("unavailable", "quote-unavailable"),
        ("quote", "fresh"),
    ]
    assert [event.body["failureReason"] for event in reader.events[:2]] == [None, "timeout"]


@in_virtual_time
async def test_an_expired_quote_is_told_of_once_and_the_next_one_follows() -> None:
    house = house_in_time()
    reader = await reading(FeeStream(house.context))
    await polls(house, NO_WITNESS, 300)
    publish(house, quote_at(25))
    house.board.feed(ONE_WITNESS)
    await settled()
    assert heard(reader)[-2:] == [("unavailable", "quote-expired"), ("quote", "fresh")]
    assert [name for name, _ in heard(reader)].count("unavailable") == 1


@in_virtual_time
async def test_who_comes_late_to_an_expired_quote_is_told_its_age_of_now() -> None:
    house = house_in_time()
    stream = FeeStream(house.context)
    await reading(stream)
    await polls(house, NO_WITNESS, 250)
    late = await reading(stream)
    assert late.last.data == (await house.get("/v1/fee")).content


@in_virtual_time
async def test_a_required_journal_that_fails_takes_the_quote_away_until_it_is_back() -> None:
    house = house_in_time(journal_required=True)
    reader = await reading(FeeStream(house.context))
    house.board.journal(FULL_DISK)
    await settled()
    assert reader.last.data == (await house.get("/v1/fee")).content
    house.board.journal(replace(FULL_DISK, spooled=4))
    await settled()
    house.board.journal(JOURNALED)
    await settled()
    assert heard(reader) == [("quote", "fresh"), ("unavailable", "journal-degraded"), ("quote", "fresh")]


@in_virtual_time
async def test_a_silence_is_broken_by_a_comment() -> None:
    house = house_in_time()
    reader = await reading(FeeStream(house.context))
    await polls(house, ONE_WITNESS, 2 * HEARTBEAT_SECONDS + 2)
    assert reader.comments == ["", ""]
    publish(house, quote_at(1))
    await polls(house, ONE_WITNESS, HEARTBEAT_SECONDS - 2)
    assert reader.comments == ["", ""], "the quote broke the silence"
    await polls(house, ONE_WITNESS, 4)
    assert reader.comments == ["", "", ""]


@in_virtual_time
async def test_a_host_clock_that_is_set_back_repeats_no_event() -> None:
    house = house_in_time(sample_quote(header=sample_header(timestamp=HEAD_TIME + 3600)))
    reader = await reading(FeeStream(house.context))
    for drift in (-1, 1, -1, -5000, 1, 0, -1):
        house.clock.wall += drift
        await polls(house, ONE_WITNESS, POLL_SECONDS)
    assert heard(reader) == [("quote", "fresh")]


class TestTheEnd:
    @in_virtual_time
    async def test_a_draining_process_says_so_and_ends_every_stream(self) -> None:
        house = house_in_time()
        stream = FeeStream(house.context)
        readers = [await reading(stream) for _ in range(3)]
        publish(house, quote_at(1))
        house.board.drain()
        await settled()
        for reader in readers:
            assert heard(reader) == [("quote", "fresh"), ("quote", "fresh"), ("end", "draining")]
            assert reader.is_complete
            assert not reader.is_live
        assert house.stream_clients[-1] == 0

    @in_virtual_time
    async def test_who_comes_while_it_drains_gets_the_state_and_the_end(self) -> None:
        house = house_in_time()
        house.board.drain()
        reader = await reading(FeeStream(house.context))
        assert heard(reader) == [("quote", "fresh"), ("end", "draining")]
        assert reader.is_complete

    @in_virtual_time
    async def test_a_reader_that_leaves_frees_everything_at_once(self) -> None:
        house = house_in_time()
        stream = FeeStream(house.context)
        before = len(asyncio.all_tasks())
        readers = [await reading(stream) for _ in range(3)]
        readers[1].leave()
        await settled()
        assert [reader.is_live for reader in readers] == [True, False, True]
        for reader in readers:
            reader.leave()
        await settled()
        assert house.stream_clients == [1, 2, 3, 2, 1, 0]
        assert len(asyncio.all_tasks()) == before
        assert all(reader.answer.exception() is None for reader in readers)

    @in_virtual_time
    async def test_without_readers_nothing_is_left_to_happen(self) -> None:
        house = house_in_time()
        reader = await reading(FeeStream(house.context))
        reader.leave()
        await settled()
        publish(house, quote_at(1))
        await asyncio.sleep(10 * HEARTBEAT_SECONDS)
        assert len(reader.events) == 1
        assert asyncio.get_running_loop()._scheduled == []  # type: ignore[attr-defined]

    @in_virtual_time
    async def test_a_reader_that_leaves_while_it_is_sent_to_is_no_error(self) -> None:
        house = house_in_time()
        reader = await reading(FeeStream(house.context))
        reader.hold()
        publish(house, quote_at(1))
        await settled()
        reader.leave()
        await settled()
        assert reader.answer.exception() is None
        assert house.stream_clients == [1, 0]

    @in_virtual_time
    async def test_an_answer_that_is_cancelled_counts_no_longer(self) -> None:
        house = house_in_time()
        before = len(asyncio.all_tasks())
        reader = await reading(FeeStream(house.context))
        reader.answer.cancel()
        await settled()
        assert house.stream_clients == [1, 0]
        assert len(asyncio.all_tasks()) == before

    @in_virtual_time
    async def test_where_the_state_cannot_be_told_no_reader_is_left_with_an_old_one(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        house = house_in_time()
        failures: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failures.append(context))
        readers = [await reading(FeeStream(house.context)) for _ in range(2)]
        monkeypatch.setattr(house.board, "freshness", lambda *_a, **_k: 1 / 0)
        house.board.feed(ONE_WITNESS)
        await settled()
        assert all(reader.is_complete and not reader.is_live for reader in readers)
        assert [type(failure["exception"]) for failure in failures] == [ZeroDivisionError] * 2
        assert house.stream_clients[-1] == 0


class TestSlowReaders:
    @in_virtual_time
    async def test_a_slow_reader_holds_up_no_other_and_gets_the_newest_alone_when_it_is_ready(self) -> None:
        house = house_in_time()
        stream = FeeStream(house.context)
        slow, fast = await reading(stream), await reading(stream)
        slow.hold()
        for blocks in range(1, 6):
            publish(house, quote_at(blocks))
            await settled()
        assert [event.body["l1"]["blockNumber"] - 23_882_697 for event in fast.events] == [0, 1, 2, 3, 4, 5]
        slow.release()
        await settled()
        assert [event.body["l1"]["blockNumber"] - 23_882_697 for event in slow.events] == [0, 1, 5]

    @in_virtual_time
    async def test_one_that_takes_nothing_is_cut(self) -> None:
        house = house_in_time()
        reader = await reading(FeeStream(house.context))
        reader.hold()
        publish(house, quote_at(1))
        lives = []
        for seconds in (PATIENCE_SECONDS - 0.001, 0.002):
            await asyncio.sleep(seconds)
            lives.append(reader.is_live)
        assert lives == [True, False]
        assert not reader.is_complete, "an end that was never sent must not look like one"
        assert house.stream_clients == [1, 0]

    @in_virtual_time
    async def test_one_that_is_slow_each_time_but_takes_what_it_gets_stays(self) -> None:
        house = house_in_time()
        reader = await reading(FeeStream(house.context))
        for blocks in range(1, 11):
            reader.hold()
            publish(house, quote_at(blocks))
            await asyncio.sleep(PATIENCE_SECONDS - 1)
            reader.release()
            await settled()
        assert reader.is_live


class TestRefusals:
    @in_virtual_time
    async def test_beyond_the_bound_a_reader_is_told_so_until_another_leaves(self) -> None:
        house = house_in_time(most=2)
        stream = FeeStream(house.context)
        first, _ = await reading(stream), await reading(stream)
        for method in ("GET", "HEAD"):
            refused = Reader(stream, method=method)
            await settled()
            error = refused.answer.exception()
            assert isinstance(error, ProblemError)
            assert error.problem.type.name == "too-many-streams"
            assert error.problem.headers == {"Retry-After": "10"}
            assert refused.start == {}
        first.leave()
        await settled()
        assert (await reading(stream)).is_live
        assert max(house.stream_clients) == 2

    @in_virtual_time
    async def test_a_query_is_refused(self) -> None:
        reader = Reader(FeeStream(house_in_time().context), query=b"maxAgeSeconds=5")
        await settled()
        error = reader.answer.exception()
        assert isinstance(error, ProblemError)
        assert error.problem.type.name == "invalid-value"

    @in_virtual_time
    async def test_head_gives_the_headers_and_ends(self) -> None:
        house = house_in_time()
        stream = FeeStream(house.context)
        head = Reader(stream, method="HEAD")
        await settled()
        assert not head.is_live
        assert (head.chunks, head.is_complete) == ([b""], True)
        assert head.start == (await reading(stream)).start
        assert house.stream_clients == [1], "only who reads is counted"


FEEDS = (NO_WITNESS, ONE_WITNESS, TWO_WITNESSES)
JOURNALS = (JOURNALED, FULL_DISK, replace(FULL_DISK, spooled=9))


@st.composite
def steps(draw: st.DrawFn) -> tuple[str, Any]:
    """Something that happens to the service, to time or to a reader."""
    name = draw(st.sampled_from(["publish", "pass", "feed", "journal", "join", "leave", "hold", "release", "turn"]))
    values = {
        "pass": st.sampled_from([0.0005, 1, 11.9, 48, 130, 600]),
        "feed": st.sampled_from(FEEDS),
        "journal": st.sampled_from(JOURNALS),
    }
    return name, draw(values.get(name, st.integers(0, 3)))


@settings(deadline=None, max_examples=200)
@given(st.lists(steps(), max_size=40), st.booleans())
def test_the_last_event_of_every_reader_is_the_state_once_it_has_caught_up(
    happenings: list[tuple[str, Any]],
    journal_required: bool,  # noqa: FBT001 - a case of the test
) -> None:
    run_in_virtual_time(_live_through(happenings, journal_required=journal_required))


async def _live_through(happenings: list[tuple[str, Any]], *, journal_required: bool) -> None:
    house = build_house(clock=LoopClock(), journal_required=journal_required)
    stream = FeeStream(house.context)
    readers = [await reading(stream)]
    for name, value in happenings:
        await _happen(house, stream, readers, name, value)
    for reader in readers:
        reader.release()
    await settled()
    got = await house.get("/v1/fee")
    for reader in readers:
        if reader.is_live:
            last = reader.last
            assert last.name == ("quote" if got.status_code == 200 else "unavailable")
            assert _lasting(last.body) == _lasting(got.json())
    for reader in readers:
        told = [(event.id, _lasting(event.body)) for event in reader.events]
        assert all(one != next_one for one, next_one in itertools.pairwise(told)), "nothing is told twice"
        reader.leave()
    await settled()
    assert house.stream_clients[-1] == 0
    assert all(reader.answer.done() and reader.answer.exception() is None for reader in readers)


async def _happen(house: House, stream: FeeStream, readers: list[Reader], name: str, value: Any) -> None:  # noqa: ANN401 - as the step has it
    reader = readers[value % len(readers)] if isinstance(value, int) else readers[0]
    match name:
        case "publish":
            age = round((house.clock.now() - BORN) / 1000 / 12)
            publish(house, quote_at(max(0, age - value)))
        case "pass":
            await asyncio.sleep(value)
        case "feed":
            house.board.feed(value)
        case "journal":
            house.board.journal(value)
        case "join":
            readers.append(Reader(stream))
        case "leave" | "hold" | "release":
            getattr(reader, name)()
        case _:
            await asyncio.sleep(0)


def _lasting(body: dict[str, Any]) -> dict[str, Any]:
    """`body` without what changes from one millisecond to the next while its cause stays."""
    if "ageSeconds" not in body:
        return body
    last = body["lastQuote"]
    passing = {"ageSeconds": None, "detail": None, "lastQuote": None if last is None else last["quoteId"]}
    return body | passing
