"""The answers that are only sent: at every moment to the byte what the route would have made for it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp, Message, Scope

from app.api import app as routes
from app.api.app import create_app
from app.api.cors import Cors
from app.api.edge import ReadyAnswer
from app.api.fee import PreparedFee
from app.domain.units import BlockNumber, UnixMillis
from app.engine.ports import FeedStatus, JournalStatus
from tests.api.house import (
    BORN,
    FULL_DISK,
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

Headers = list[tuple[bytes, bytes]]
Step = Callable[[House], None]
PAGE: Final = b"https://app.example"


def request(method: str = "GET", headers: Headers | None = None, query: bytes = b"") -> Scope:
    return {
        "type": "http",
        "method": method,
        "path": "/v1/fee",
        "raw_path": b"/v1/fee",
        "root_path": "",
        "query_string": query,
        "headers": headers or [],
    }


async def answer_of(app: ASGIApp, scope: Scope) -> tuple[int, Headers, bytes]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(dict(scope), receive, send)
    start, *rest = sent
    return start["status"], list(start["headers"]), b"".join(message["body"] for message in rest)


def unprepared(house: House) -> ASGIApp:
    """The same routes over the same board, with nothing ready."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(routes, "_READY", {})
        return create_app(house.context)


def time_passes(millis: int) -> Step:
    return lambda house: house.clock.pass_seconds(millis / 1000)


def clock_is_set(millis: int) -> Step:
    def step(house: House) -> None:
        house.clock.wall += millis

    return step


def publish(base_fee: int, age_millis: int, interval_seconds: int) -> Step:
    """A new quote, of a head that is so old by the host's clock, or from the future."""

    def step(house: House) -> None:
        header = sample_header(base_fee=base_fee, timestamp=(house.clock.wall - age_millis) // 1000)
        quote = sample_quote(
            header=replace(header, number=BlockNumber(23_882_697 + base_fee)), block_interval_seconds=interval_seconds
        )
        house.board.publish(quote, house.clock.now(), True)  # noqa: FBT003 - as the engine calls it

    return step


def feed(status: FeedStatus) -> Step:
    return lambda house: house.board.feed(status)


def journal(status: JournalStatus) -> Step:
    return lambda house: house.board.journal(status)


BOUNDARIES: Final = [0, 1, 2, 488, 999, 1_000, 1_001, 10_488, 11_999, 12_000, 29_999, 30_000, 30_001, 46_488, 46_489,
                     48_000, 178_488, 178_489, 180_001, 900_001]  # fmt: skip
MILLIS: Final = st.sampled_from(BOUNDARIES) | st.integers(0, 60_000)
STEPS: Final = st.one_of(
    MILLIS.map(time_passes),
    MILLIS.map(time_passes),
    MILLIS.map(clock_is_set),
    MILLIS.map(lambda millis: clock_is_set(-millis)),
    st.builds(publish, st.integers(1, 9), st.sampled_from([-3_000, -1, 0, 1, 500, 20_000]), st.sampled_from([1, 12])),
    st.sampled_from([NO_WITNESS, ONE_WITNESS, TWO_WITNESSES]).map(feed),
    st.sampled_from([JOURNALED, FULL_DISK]).map(journal),
)
TAGS: Final = st.lists(
    st.sampled_from(
        [b"*", b"%s", b"W/%s", b'"other", W/%s', b'%s,"other"', b'"other"', b"w/%s", b'"open', b"", b" * "]
    ),
    max_size=2,
)
ORIGINS: Final = st.lists(st.sampled_from([PAGE, b"https://else.example", b"null"]), max_size=2)


@settings(max_examples=150, deadline=None)
@given(
    steps=st.lists(st.tuples(STEPS, st.sampled_from(["GET", "HEAD"]), TAGS, ORIGINS), max_size=12),
    is_required=st.booleans(),
    allowed=st.sampled_from([None, ("*",), (PAGE.decode(),)]),
)
@example(
    steps=[
        (clock_is_set(-5_000), "GET", [], []),
        (time_passes(1), "GET", [b"%s"], []),
        (time_passes(1), "GET", [], []),
    ],
    is_required=False,
    allowed=None,
)
@example(  # the moment at which the next block is expected
    steps=[(time_passes(9_988), "GET", [], []), (time_passes(500), "GET", [], [])], is_required=False, allowed=None
)
@example(  # the moment from which on witnesses do not count any more
    steps=[
        (feed(TWO_WITNESSES), "GET", [], []),
        (time_passes(29_900), "GET", [], []),
        (time_passes(200), "GET", [], []),
    ],
    is_required=False,
    allowed=None,
)
def test_what_is_prepared_is_what_the_route_answers_at_every_moment(
    steps: list[tuple[Step, str, list[bytes], list[bytes]]],
    *,
    is_required: bool,
    allowed: tuple[str, ...] | None,
) -> None:
    house = build_house(quote=sample_quote(), journal_required=is_required)
    if allowed is not None:
        house.context = replace(house.context, cors=Cors(allowed, has_administration=False))
    prepared, plain = create_app(house.context), unprepared(house)

    async def compare(scope: Scope) -> None:
        assert await answer_of(prepared, scope) == await answer_of(plain, scope)

    async def live() -> None:
        for step, method, tags, origins in steps:
            await compare(request())
            step(house)
            _, headers, _ = await answer_of(plain, request())
            opaque = dict(headers).get(b"etag", b'W/"none"').removeprefix(b"W/")
            known = [(b"if-none-match", tag.replace(b"%s", opaque)) for tag in tags]
            await compare(request(method, [*known, *((b"origin", origin) for origin in origins)]))

    asyncio.run(live())


def ready(fee: PreparedFee, house: House, *tags: bytes, method: str = "GET", query: bytes = b"") -> ReadyAnswer | None:
    scope = request(method, [(b"host", b"oracle.test"), *((b"if-none-match", tag) for tag in tags)], query)
    return fee(scope, house.clock.monotonic())


class CountingClock(HandClock):
    """Counts how often the wall clock is read."""

    reads = 0

    def now(self) -> UnixMillis:
        self.reads += 1
        return super().now()


class TestWhatIsReady:
    def test_one_answer_serves_until_the_second_in_which_something_changes(self) -> None:
        house = build_house(quote=sample_quote())
        fee = PreparedFee(house.context)
        first = ready(fee, house)
        house.clock.pass_seconds(0.488)
        assert first is not None
        assert ready(fee, house) is first
        house.clock.pass_seconds(0.001)
        second = ready(fee, house)
        assert second is not None
        assert dict(second.start["headers"])[b"cache-control"] == b"max-age=9"

    def test_a_ready_answer_costs_one_look_at_the_wall_clock(self) -> None:
        clock = CountingClock()
        house = build_house(quote=sample_quote(), clock=clock)
        fee = PreparedFee(house.context)
        ready(fee, house)
        before = clock.reads
        for _ in range(10):
            ready(fee, house)
        assert clock.reads == before + 10

    @pytest.mark.parametrize("form", [b'W/"%s-fresh"', b'"%s-fresh"', b"*"])
    def test_the_tag_in_each_of_its_forms_is_answered_at_once(self, form: bytes) -> None:
        quote = sample_quote()
        house = build_house(quote=quote)
        answer = ready(PreparedFee(house.context), house, form.replace(b"%s", quote.quote_id.encode()))
        assert answer is not None
        assert (answer.code, answer.body["body"]) == (304, b"")

    @pytest.mark.parametrize("tag", [b'"other"', b'W/"other"', b'""'])
    def test_the_tag_of_another_quote_is_answered_at_once_too(self, tag: bytes) -> None:
        house = build_house(quote=sample_quote())
        fee = PreparedFee(house.context)
        assert ready(fee, house, tag) is ready(fee, house)
        assert ready(fee, house, tag, method="HEAD") is ready(fee, house, method="HEAD")

    def test_what_takes_a_closer_look_is_left_to_the_route(self) -> None:
        quote = sample_quote()
        house = build_house(quote=quote)
        fee = PreparedFee(house.context)
        tag = b'"%s-fresh"' % quote.quote_id.encode()
        assert ready(fee, house, query=b"blocks=3") is None
        assert ready(fee, house, tag, tag) is None
        assert ready(fee, house, tag + b', "other"') is None

    def test_a_clock_that_is_set_back_takes_the_answer_back_at_once(self) -> None:
        house = build_house(quote=sample_quote())
        fee = PreparedFee(house.context)
        first = ready(fee, house)
        house.clock.wall -= 1
        assert ready(fee, house) is not first

    def test_what_the_engine_tells_takes_it_back(self) -> None:
        house = build_house(quote=sample_quote(), journal_required=True)
        fee = PreparedFee(house.context)
        first = ready(fee, house)
        house.board.journal(FULL_DISK)
        assert ready(fee, house) is None
        house.board.journal(JOURNALED)
        assert ready(fee, house) is not None
        assert ready(fee, house) is not first

    def test_nothing_is_ready_once_the_quote_has_expired_or_before_the_first(self) -> None:
        house = build_house(quote=sample_quote())
        fee = PreparedFee(house.context)
        house.clock.wall = BORN + 180_000
        house.clock.elapsed += 178.488
        assert ready(fee, house) is not None
        house.clock.pass_seconds(0.001)
        assert ready(fee, house) is None
        bare = build_house()
        assert ready(PreparedFee(bare.context), bare) is None
