import json
import logging
import re
import sys
import threading
import warnings
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import structlog

from app.adapters.logs import EventLog, LogEvent, configure_logging, redactor
from app.domain.formula import FeeFormula
from app.domain.governance import ParameterChange, VaultReport
from app.domain.header import L1Header
from app.domain.network import DEVNET_CHAIN_ID, Network
from app.domain.parameter_set import ParameterSet
from app.domain.parameters import Parameters
from app.domain.quote import Quote, make_quote
from app.domain.units import BlockNumber, UnixMillis, UnixSeconds, Wei, WeiPerGas
from app.domain.vault import NO_VAULT, VaultCondition, VaultSource, VaultState
from app.engine.events import (
    ClockMeasured,
    ClockSkewed,
    DissentBegan,
    DissentEnded,
    EntriesLost,
    Event,
    HeaderRejected,
    HeadInFuture,
    HeadMoved,
    HeadSeen,
    HeadStood,
    HeadWentBack,
    JournalDegraded,
    JournalRecovered,
    JournalRestored,
    JournalSpooled,
    ParametersChanged,
    PathRebuilt,
    PollFailed,
    PollSucceeded,
    ProviderChanged,
    ProviderClosed,
    ProviderOpened,
    QuoteContested,
    QuoteDecided,
    QuoteMade,
    ReorgFollowed,
    RpcFinished,
    SubscriptionBegan,
    SubscriptionEnded,
    VaultReadable,
    VaultReported,
    VaultUnreadable,
)
from tests.fakes import child_of, genesis

DOCUMENTATION = (Path(__file__).parents[2] / "docs" / "logging.md").read_text(encoding="utf-8")
AT = UnixMillis(1_764_157_404_123)
KEY = "0123456789abcdef0123"
DATABASE_URL = "postgresql://keeper:open?/sesame@db.example:5432/fees?sslpassword=certsecret"
BEARER = "t0ken-of-at-least-32-characters-long"
RPC_URL = f"https://operator:hunter2@rpc.example/v2/{KEY}?token=querysecret"
CAPPED = Parameters(max_fee=WeiPerGas(10**9))


@pytest.fixture
def stream() -> Iterator[StringIO]:
    """The log's lines at level debug; what logging and structlog were is put back."""
    libraries = ("psycopg", "sqlalchemy.pool", "websockets")
    names = ("", "app", "uvicorn", "uvicorn.error", "uvicorn.asgi", "uvicorn.access", *libraries)
    loggers = [logging.getLogger(name or None) for name in names]
    before = [(logger.handlers[:], logger.level, logger.propagate, logger.disabled) for logger in loggers]
    hooks = (sys.excepthook, threading.excepthook, sys.unraisablehook)
    stream = StringIO()
    configure_logging("debug", "json", stream, secrets=(RPC_URL, DATABASE_URL, BEARER))
    yield stream
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    for logger, (handlers, level, propagate, disabled) in zip(loggers, before, strict=True):
        logger.handlers[:], logger.propagate, logger.disabled = handlers, propagate, disabled
        logger.setLevel(level)


def lines(stream: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def logged(stream: StringIO, *events: Event) -> list[dict[str, Any]]:
    """What `events` leave in the log, without the time."""
    log = EventLog()
    for event in events:
        log.on_event(event)
    return [{key: value for key, value in line.items() if key != "timestamp"} for line in lines(stream)]


def event_names(stream: StringIO, *events: Event) -> list[str]:
    return [line["event"] for line in logged(stream, *events)]


def quote_at(
    header: L1Header | None = None,
    parameters: Parameters | None = None,
    vault: VaultState = NO_VAULT,
    l1_chain_id: int = 1,
) -> Quote:
    return make_quote(
        network=Network(l1_chain_id, 167000),
        header=header or genesis(),
        vault=vault,
        formula=FeeFormula.of(parameters or Parameters()),
        block_interval_seconds=12,
    )


def quotes(*made: Quote) -> list[QuoteMade]:
    """The events of `made`, each after the one before it."""
    return [QuoteMade(quote, AT, previous) for quote, previous in zip(made, (None, *made), strict=False)]


def failed(reason: str, consecutive: int) -> PollFailed:
    return PollFailed("main", reason, f"main: {reason}", consecutive)


def test_a_line_is_one_json_object_with_time_level_and_event_first(stream: StringIO) -> None:
    EventLog().on_event(failed("timeout", 1))
    (line,) = lines(stream)
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["timestamp"])


def test_the_documentation_lists_every_event() -> None:
    assert re.findall(r"^\| `(\w+)` \|", DOCUMENTATION, flags=re.MULTILINE) == [event.value for event in LogEvent]


def test_a_failing_feed_is_logged_at_its_first_failure_each_new_reason_and_its_recovery(stream: StringIO) -> None:
    found = logged(
        stream,
        failed("timeout", 1),
        failed("timeout", 2),
        failed("unreachable", 3),
        failed("timeout", 4),
        PollSucceeded("main", 1001, AT, failures_before=4),
        PollSucceeded("main", 1001, AT, failures_before=0),
    )
    assert found == [
        {"level": "warning", "event": "poll_failed", "reason": "timeout", "detail": "main: timeout", "failures": 1},
        {
            "level": "warning",
            "event": "poll_failed",
            "reason": "unreachable",
            "detail": "main: unreachable",
            "failures": 3,
        },
        {"level": "info", "event": "poll_recovered", "provider": "main", "block": 1001, "failures": 4},
    ]


def test_a_failure_after_a_recovery_is_a_first_one_again(stream: StringIO) -> None:
    recovery = PollSucceeded("main", 1001, AT, failures_before=1)
    assert event_names(stream, failed("timeout", 1), recovery, failed("timeout", 1)) == [
        "poll_failed",
        "poll_recovered",
        "poll_failed",
    ]


def test_the_first_quote_says_what_is_quoted_from_where(stream: StringIO) -> None:
    assert logged(stream, *quotes(quote_at())) == [
        {
            "level": "info",
            "event": "first_quote",
            "network": "mainnet",
            "block": 1000,
            "fee_gwei": "12.521739131",
            "bound": "none",
            "l1_basefee_gwei": "25",
            "l1_chain_id": 1,
            "l2_chain_id": 167000,
            "vault": "none",
        }
    ]


def test_from_the_first_quote_on_every_line_names_the_network(stream: StringIO) -> None:
    found = logged(stream, *quotes(quote_at(l1_chain_id=DEVNET_CHAIN_ID)), failed("timeout", 1))
    assert [line["network"] for line in found] == ["devnet", "devnet"]


def test_a_network_that_is_known_beforehand_is_named_from_the_start(stream: StringIO) -> None:
    EventLog(network="devnet").on_event(failed("timeout", 1))
    assert lines(stream)[0]["network"] == "devnet"


def test_routine_quotes_are_for_debugging(stream: StringIO) -> None:
    parent = genesis()
    made = quotes(quote_at(parent), quote_at(child_of(parent)))
    assert [(line["level"], line["event"]) for line in logged(stream, *made)] == [
        ("info", "first_quote"),
        ("debug", "quote_made"),
    ]


def test_at_info_routine_quotes_are_silent(stream: StringIO) -> None:
    configure_logging("info", "json", stream)
    assert event_names(stream, *quotes(quote_at(), quote_at())) == ["first_quote"]


def test_a_changed_bound_is_logged_once_with_both_sides(stream: StringIO) -> None:
    made = quotes(quote_at(), quote_at(parameters=CAPPED), quote_at(parameters=CAPPED), quote_at())
    found = [line for line in logged(stream, *made) if line["event"] == "bound_changed"]
    assert [(line["bound_before"], line["bound"], line["fee_gwei"]) for line in found] == [
        ("none", "max", "1"),
        ("max", "none", "12.521739131"),
    ]


def test_an_enforced_rejection_is_logged_once_for_each_header(stream: StringIO) -> None:
    def rejection(number: int) -> HeaderRejected:
        return HeaderRejected("impossible_base_fee", f"L1 block {number} rejected", enforced=True)

    found = logged(stream, rejection(1), rejection(1), rejection(2))
    assert [line["detail"] for line in found] == ["L1 block 1 rejected", "L1 block 2 rejected"]


def test_a_rejection_that_is_not_enforced_is_logged_once_for_its_reason(stream: StringIO) -> None:
    rejections = [HeaderRejected("impossible_base_fee", f"block {n}", enforced=False) for n in range(5)]
    assert [line["detail"] for line in logged(stream, *rejections)] == ["block 0"]


def test_a_head_that_went_back_is_logged_once_for_each_provider_until_the_next_quote(stream: StringIO) -> None:
    back = HeadWentBack("main", held_number=1000, got_number=998)
    names = event_names(stream, back, back, HeadWentBack("spare", 1000, 999), *quotes(quote_at()), back)
    assert names == ["head_went_back", "head_went_back", "first_quote", "head_went_back"]
    assert {key: lines(stream)[0][key] for key in ("provider", "block", "held_block")} == {
        "provider": "main",
        "block": 998,
        "held_block": 1000,
    }


def test_an_unreadable_vault_is_logged_at_its_first_failure_and_its_recovery(stream: StringIO) -> None:
    found = logged(
        stream,
        VaultUnreadable("missing_state", "main: missing_state", 1),
        VaultUnreadable("missing_state", "main: missing_state", 2),
        VaultReadable(2),
        VaultUnreadable("missing_state", "main: missing_state", 1),
    )
    assert [line["event"] for line in found] == ["vault_unreadable", "vault_readable", "vault_unreadable"]
    assert found[1]["failures"] == 2


def test_an_expired_vault_is_logged_when_it_expires(stream: StringIO) -> None:
    current = VaultState(VaultSource.ONCHAIN, Wei(1), Wei(2), observed_at=UnixSeconds(1_700_000_000))
    held = replace(current, condition=VaultCondition.HELD)
    expired = replace(current, condition=VaultCondition.EXPIRED)
    made = quotes(*(quote_at(vault=vault) for vault in (current, held, expired, expired, current, expired)))
    found = [line for line in logged(stream, *made) if line["event"] == "vault_expired"]
    assert [(line["level"], line["observed_at"]) for line in found] == [("error", 1_700_000_000)] * 2


def test_other_transitions_are_logged_with_what_changed(stream: StringIO) -> None:
    found = logged(
        stream,
        ProviderChanged("spare", "main", "timeout"),
        ReorgFollowed(depth=2, head_number=1001),
        PathRebuilt(reason="start", blocks=64, head_number=1064, gap_blocks=0),
        PathRebuilt(reason="gap", blocks=64, head_number=9064, gap_blocks=7936),
    )
    assert found == [
        {
            "level": "warning",
            "event": "provider_changed",
            "provider": "spare",
            "instead_of": "main",
            "reason": "timeout",
        },
        {"level": "warning", "event": "reorg_followed", "depth": 2, "block": 1001},
        {
            "level": "info",
            "event": "path_rebuilt",
            "reason": "start",
            "blocks": 64,
            "block": 1064,
            "gap_blocks": 0,
        },
        {
            "level": "warning",
            "event": "path_rebuilt",
            "reason": "gap",
            "blocks": 64,
            "block": 9064,
            "gap_blocks": 7936,
        },
    ]


def test_a_quote_after_a_restart_is_the_first_of_this_run_and_is_compared_with_the_restored_one(
    stream: StringIO,
) -> None:
    restored = quote_at(parameters=CAPPED)
    found = logged(
        stream,
        JournalRestored(256, 1000, 0, restored, AT),
        QuoteMade(quote_at(child_of(genesis())), AT, restored),
    )
    assert [(line["event"], line["network"]) for line in found] == [
        ("journal_restored", "mainnet"),
        ("first_quote", "mainnet"),
        ("bound_changed", "mainnet"),
    ]


def test_a_breaker_is_logged_when_it_opens_for_each_new_reason_and_when_it_closes(stream: StringIO) -> None:
    opened = ProviderOpened("main", "timeout", 5.0)
    found = logged(
        stream,
        opened,
        ProviderOpened("main", "timeout", 10.0),
        ProviderOpened("main", "unreachable", 20.0),
        ProviderOpened("spare", "timeout", 5.0),
        ProviderClosed("main"),
        opened,
    )
    assert [(line["event"], line["provider"], line.get("reason")) for line in found] == [
        ("provider_opened", "main", "timeout"),
        ("provider_opened", "main", "unreachable"),
        ("provider_opened", "spare", "timeout"),
        ("provider_closed", "main", None),
        ("provider_opened", "main", "timeout"),
    ]
    assert [line["level"] for line in found[2:4]] == ["warning", "info"]


def test_dissent_is_logged_with_what_differs_and_when_it_ends(stream: StringIO) -> None:
    assert logged(stream, DissentBegan("spare", 1000, ("base_fee_per_gas",)), DissentEnded("spare")) == [
        {
            "level": "warning",
            "event": "dissent_began",
            "provider": "spare",
            "block": 1000,
            "fields": ["base_fee_per_gas"],
        },
        {"level": "info", "event": "dissent_ended", "provider": "spare"},
    ]


def test_a_subscription_that_cannot_be_had_again_is_logged_once_for_each_reason(stream: StringIO) -> None:
    began, refused = SubscriptionBegan("main"), SubscriptionEnded("main", "refused")
    found = logged(stream, began, SubscriptionEnded("main", "frozen"), refused, refused, began, refused)
    assert [(line["level"], line["event"], line.get("reason")) for line in found] == [
        ("info", "subscription_began", None),
        ("warning", "subscription_ended", "frozen"),
        ("warning", "subscription_ended", "refused"),
        ("info", "subscription_began", None),
        ("warning", "subscription_ended", "refused"),
    ]


def test_a_provider_that_lives_in_the_future_is_logged_once_until_it_is_back(stream: StringIO) -> None:
    def poll(number: int) -> PollSucceeded:
        return PollSucceeded("main", number, AT, failures_before=0)

    found = logged(
        stream,
        HeadInFuture("main", 1000, 16),
        poll(1000),
        HeadInFuture("main", 1001, 17),
        poll(1001),
        poll(1002),
        HeadInFuture("main", 1003, 18),
    )
    assert [(line["event"], line["block"], line["seconds_ahead"]) for line in found] == [
        ("head_in_future", 1000, 16),
        ("head_in_future", 1003, 18),
    ]


def test_a_standing_head_and_a_skewed_clock_are_logged_with_their_ends(stream: StringIO) -> None:
    assert logged(
        stream,
        HeadStood(1000, 49),
        HeadMoved(1001, 61),
        ClockSkewed(-15_100, is_skewed=True),
        ClockSkewed(20, is_skewed=False),
    ) == [
        {"level": "warning", "event": "head_stood", "block": 1000, "age_seconds": 49},
        {"level": "info", "event": "head_moved", "block": 1001, "stood_seconds": 61},
        {"level": "warning", "event": "clock_skewed", "offset_millis": -15100},
        {"level": "info", "event": "clock_right", "offset_millis": 20},
    ]


def test_a_degraded_journal_is_logged_with_its_losses_once_and_its_recovery(stream: StringIO) -> None:
    found = logged(
        stream,
        JournalDegraded("full", "disk full"),
        EntriesLost(1),
        EntriesLost(1),
        JournalRecovered(merged=10, divergences=1, lost=2),
        EntriesLost(1),
    )
    assert [(line["level"], line["event"]) for line in found] == [
        ("error", "journal_degraded"),
        ("error", "entries_lost"),
        ("info", "journal_recovered"),
        ("error", "entries_lost"),
    ]
    assert (found[0]["fault"], found[0]["detail"]) == ("full", "disk full")
    assert (found[2]["merged"], found[2]["divergences"], found[2]["lost"]) == (10, 1, 2)


@pytest.mark.parametrize(("discarded", "level"), [(0, "info"), (3, "error")])
def test_a_journal_with_entries_that_do_not_hold_is_an_error(stream: StringIO, discarded: int, level: str) -> None:
    assert logged(stream, JournalRestored(256, 1000, discarded)) == [
        {"level": level, "event": "journal_restored", "entries": 256, "block": 1000, "discarded": discarded}
    ]


def test_quotes_that_another_instance_decided_are_told_of_once_at_info(stream: StringIO) -> None:
    found = logged(stream, QuoteDecided(1000, "a"), QuoteDecided(1001, "b"), QuoteContested(1002, "c"))
    assert [(line["level"], line["event"], line["block"], line["quote_id"]) for line in found] == [
        ("info", "quote_decided", 1000, "a"),
        ("debug", "quote_decided", 1001, "b"),
        ("error", "quote_contested", 1002, "c"),
    ]


def test_a_decision_is_logged_with_who_made_it_and_from_where_it_governs(stream: StringIO) -> None:
    parameter_set = ParameterSet().changed({"alphaData": "0.16"})
    change = ParameterChange(
        number=3,
        parameter_set=parameter_set,
        environment_id="e",
        from_block=BlockNumber(1001),
        at=AT,
        actor="ana",
        reason="quiet night",
    )
    report = VaultReport(sequence=7, balance=Wei(10**19), from_block=BlockNumber(1002), at=AT, actor="treasury")
    changed, reported = logged(stream, ParametersChanged(change, is_new=True), VaultReported(report, is_new=False))
    assert changed == {
        "level": "info",
        "event": "parameters_changed",
        "number": 3,
        "actor": "ana",
        "reason": "quiet night",
        "from_block": 1001,
        "parameters_id": parameter_set.parameters.parameters_id,
        "parameters": parameter_set.texts(),
        "is_new": True,
    }
    assert reported == {
        "level": "info",
        "event": "vault_reported",
        "sequence": 7,
        "balance_wei": "10000000000000000000",
        "actor": "treasury",
        "from_block": 1002,
        "is_new": False,
    }


@pytest.mark.parametrize(
    "event",
    [
        RpcFinished("main", "eth_chainId", "timeout", 2.0),
        HeadSeen("main", 1000),
        ClockMeasured(20),
        JournalSpooled(3),
    ],
)
def test_what_only_the_metrics_show_is_not_logged(stream: StringIO, event: Event) -> None:
    assert logged(stream, event) == []


def test_uvicorn_writes_in_the_same_format_and_its_access_log_is_off(stream: StringIO) -> None:
    logging.getLogger("uvicorn.error").warning("Finished server process [%d]", 7)
    logging.getLogger("uvicorn.error").info("not wanted")
    logging.getLogger("uvicorn.access").info("GET /v1/fee")
    (line,) = lines(stream)
    assert (line["event"], line["logger"], line["message"]) == (
        "library_message",
        "uvicorn.error",
        "Finished server process [7]",
    )


def test_libraries_are_not_heard_below_warning_even_at_debug(stream: StringIO) -> None:
    logging.getLogger("web3.providers.AsyncHTTPProvider").debug("Making request HTTP. URI: %s", RPC_URL)
    logging.getLogger("asyncio").warning("slow callback")
    assert [line["message"] for line in lines(stream)] == ["slow callback"]


@pytest.mark.parametrize("name", ["sqlalchemy.engine.Engine", "alembic.runtime.migration", "aiohttp.client", "urllib3"])
def test_a_library_that_sets_a_level_of_its_own_is_not_heard_below_warning_either(stream: StringIO, name: str) -> None:
    library = logging.getLogger(name)
    before = library.level
    library.setLevel(logging.DEBUG)
    library.info("CONNECT %s", DATABASE_URL)
    library.warning("gone")
    library.setLevel(before)
    assert [line["message"] for line in lines(stream)] == ["gone"]


@pytest.mark.parametrize("name", ["sqlalchemy.pool.impl.QueuePool", "psycopg", "websockets.client"])
def test_a_connection_that_breaks_is_not_told_by_its_library_every_time(stream: StringIO, name: str) -> None:
    logging.getLogger(name).error("connection lost", exc_info=ConnectionError(DATABASE_URL))
    assert not stream.getvalue()


def test_a_warning_is_a_line_like_any_other(stream: StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"unclosed connection to {RPC_URL}", ResourceWarning, stacklevel=1)
    (line,) = lines(stream)
    assert (line["level"], line["event"], line["logger"]) == ("warning", "library_message", "py.warnings")
    assert KEY not in stream.getvalue()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_an_exception_that_nobody_catches_is_logged_without_secrets(stream: StringIO, log_format: str) -> None:
    configure_logging("info", log_format, stream, secrets=(RPC_URL, DATABASE_URL, BEARER))

    def crash() -> None:
        raise ConnectionError(f"{RPC_URL} {DATABASE_URL} Bearer {BEARER}")

    thread = threading.Thread(target=crash, name="store")
    thread.start()
    thread.join()
    try:
        crash()
    except ConnectionError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    text = stream.getvalue()
    assert text.count("uncaught_exception") == 2
    assert text.count("Traceback") == 2
    assert "where=store" in text or '"where": "store"' in text
    for secret in (KEY, "hunter2", "keeper", "sesame", "certsecret", BEARER):
        assert secret not in text


def test_a_thread_that_exits_has_not_crashed(stream: StringIO) -> None:
    thread = threading.Thread(target=sys.exit)
    thread.start()
    thread.join()
    assert not stream.getvalue()


def test_an_exception_in_a_clean_up_is_logged(stream: StringIO) -> None:
    class Leaking:
        def __del__(self) -> None:
            raise ConnectionError(RPC_URL)

    Leaking()
    (line,) = lines(stream)
    assert (line["level"], line["event"]) == ("error", "uncaught_exception")
    assert "ConnectionError: ***" in line["exception"]


def test_our_other_loggers_follow_the_level(stream: StringIO) -> None:
    structlog.stdlib.get_logger("app.bootstrap").info("listening", port=8600)
    (line,) = lines(stream)
    assert (line["event"], line["port"]) == ("listening", 8600)


def test_a_second_configuration_takes_the_place_of_the_first(stream: StringIO) -> None:
    second = StringIO()
    configure_logging("warning", "json", second)
    EventLog().on_event(failed("timeout", 1))
    assert not stream.getvalue()
    assert len(lines(second)) == 1


def test_the_console_format_is_for_people(stream: StringIO) -> None:
    configure_logging("info", "console", stream)
    EventLog().on_event(failed("timeout", 1))
    assert re.search(r"Z \[warning +\] poll_failed +reason=timeout detail=.* failures=1\n$", stream.getvalue())


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_secret_in_a_message_a_field_or_a_traceback_is_hidden(stream: StringIO, log_format: str) -> None:
    configure_logging("debug", log_format, stream, secrets=(RPC_URL, 'tok"en\\ with quotes'))
    log = structlog.stdlib.get_logger("app")
    try:
        raise ConnectionError(f"cannot connect to {RPC_URL} nor to /v2/{KEY}")  # noqa: TRY301 - a traceback is wanted
    except ConnectionError:
        log.exception("crashed", url=RPC_URL, nested={"token": 'tok"en\\ with quotes'})
    logging.getLogger("asyncio").error("lost %s", RPC_URL, exc_info=ConnectionError(RPC_URL))
    text = stream.getvalue()
    assert "Traceback" in text
    for secret in (KEY, "hunter2", "operator", "querysecret", "with quotes"):
        assert secret not in text


def test_a_group_of_exceptions_is_logged_whole_and_without_secrets(stream: StringIO) -> None:
    group = ExceptionGroup("unhandled", [ConnectionError(RPC_URL), ExceptionGroup("store", [OSError(DATABASE_URL)])])
    structlog.stdlib.get_logger("app").critical("service_crashed", exc_info=group)
    (line,) = lines(stream)
    assert "ConnectionError: ***" in line["exception"]
    assert "OSError: ***" in line["exception"]


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_secret_that_is_also_one_of_our_words_leaves_our_names_alone(stream: StringIO, log_format: str) -> None:
    configure_logging("debug", log_format, stream, secrets=("https://warning:network@rpc.example",))
    EventLog(network="devnet").on_event(failed("timeout", 1))
    (line,) = stream.getvalue().splitlines()
    assert "***" not in line
    if log_format == "json":
        found = json.loads(line)
        assert (found["level"], found["event"], found["network"]) == ("warning", "poll_failed", "devnet")


def test_numbers_stay_numbers_and_other_values_become_texts_without_secrets(stream: StringIO) -> None:
    structlog.stdlib.get_logger("app").info(
        "numbers", port=8600, ratio=0.5, on=True, none=None, error=ValueError(RPC_URL), many=[RPC_URL, ("x", {KEY})]
    )
    (line,) = lines(stream)
    assert (line["port"], line["ratio"], line["on"], line["none"]) == (8600, 0.5, True, None)
    assert line["error"] == "***"
    assert line["many"] == ["***", ["x", ["***"]]]


def test_a_url_without_a_secret_part_is_hidden_alone_and_not_within_another() -> None:
    redact = redactor(("http://127.0.0.1:1", "http://node"))
    assert redact("http%3A%2F%2F127.0.0.1%3A1 http%3A%2F%2F127.0.0.1%3A18607") == "*** http%3A%2F%2F127.0.0.1%3A18607"
    assert redact("lost http://127.0.0.1:1, then http://127.0.0.1:1/.") == "lost ***, then ***."
    for text in ("http://127.0.0.1:18607", "http://127.0.0.1:1/v1/fee", "http://node:8600/", "http://node.example/v1"):
        assert redact(text) == text
    assert redact("127.0.0.1:1 and node are no secrets") == "127.0.0.1:1 and node are no secrets"


@pytest.mark.parametrize("text", ["my_network_info", "networks", "subnetwork", "network_name", "2network"])
def test_a_word_that_holds_a_short_secret_is_another_word(text: str) -> None:
    assert redactor(("https://me:network@rpc.example",))(text) == text


@pytest.mark.parametrize(
    "text", ["network", "'network'", "a/network?", "%2Fnetwork%2F", "\nnetwork\n", "key=network&b", "(network)"]
)
def test_a_short_secret_is_hidden_wherever_it_stands_alone(text: str) -> None:
    assert "network" not in redactor(("https://me:network@rpc.example",))(text)


def test_a_long_secret_is_hidden_within_other_words_too() -> None:
    assert redactor((RPC_URL,))(f"x{KEY}y") == "x***y"


def test_a_short_part_of_a_path_that_is_no_word_is_hidden() -> None:
    assert redactor(("https://rpc.example/ethereum/ab12cd34",))("at /ethereum/ab12cd34") == "at /ethereum/***"


def test_a_url_that_nobody_named_loses_its_credentials_and_query() -> None:
    redact = redactor(())
    assert redact("to wss://me:pw@node.example:8546/ws?apikey=abc now") == "to wss://***@node.example:8546/ws?*** now"
    assert redact("http://127.0.0.1:8600/v1/fee") == "http://127.0.0.1:8600/v1/fee"


def test_a_short_part_of_a_secret_url_does_not_hide_ordinary_words() -> None:
    redact = redactor(("https://a:b@rpc.example/ethereum/v2?k=1",))
    assert redact("a block of ethereum, v2, 1 gwei") == "a block of ethereum, v2, 1 gwei"
    assert redact("at https://a:b@rpc.example/ethereum/v2?k=1") == "at ***"


def test_a_secret_is_hidden_in_every_way_that_it_is_written() -> None:
    redact = redactor(("p@ss/wörd", "", RPC_URL))
    for text in ("p@ss/wörd", "p%40ss%2Fw%C3%B6rd", json.dumps("p@ss/wörd"), f"path /v2/{KEY}", "user operator"):
        hidden = redact(text)
        assert "***" in hidden
        assert not re.search(f"ss/w|ss%2Fw|{KEY}|operator", hidden)
    assert redact("nothing to hide: rpc.example, block 12") == "nothing to hide: rpc.example, block 12"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_a_database_s_user_password_and_query_are_hidden_wherever_they_are_written(scheme: str) -> None:
    redact = redactor((DATABASE_URL,))
    for text in (
        DATABASE_URL,
        DATABASE_URL.replace("postgresql", scheme),
        'FATAL: password authentication failed for user "keeper"',
        "conninfo: user=keeper password=open?/sesame sslpassword=certsecret",
        f"at {scheme}://keeper:open%3F%2Fsesame@db.example/fees",
    ):
        hidden = redact(text)
        assert "***" in hidden
        assert not re.search("keeper|sesame|certsecret", hidden)


def test_a_database_s_host_and_name_are_no_secrets() -> None:
    redact = redactor((DATABASE_URL,))
    text = 'connection to server at "db.example", port 5432 failed: database "fees" does not exist'
    assert redact(text) == text


def test_a_short_password_of_a_database_is_hidden_together_with_its_user() -> None:
    assert "a/b" not in redactor(("postgresql://oracle:a/b@db/fees",))("at postgresql+psycopg://oracle:a/b@db/fees")


@pytest.mark.parametrize("text", ["sqlite:///var/taiko-fee-oracle.db", "unable to open var/taiko-fee-oracle.db"])
def test_a_file_s_path_is_no_secret(text: str) -> None:
    assert redactor(("sqlite:///var/taiko-fee-oracle.db",))(text) == text


def test_a_web_socket_s_key_is_hidden_in_path_query_and_user() -> None:
    redact = redactor((f"wss://operator:hunter2@rpc.example/ws/{KEY}?apikey=querysecret",))
    for text in (
        f"server rejected WebSocket connection: GET /ws/{KEY}?apikey=querysecret HTTP/1.1",
        f"wss://rpc.example/ws/{KEY}: HTTP 401 for operator, hunter2",
        f"Authorization: Basic {b64encode(b'operator:hunter2').decode()}",
    ):
        hidden = redact(text)
        assert "***" in hidden
        assert not re.search(rf"{KEY}|querysecret|operator|hunter2|b3BlcmF0b3I", hidden)


def test_a_bearer_token_is_hidden_in_a_header_and_within_other_texts() -> None:
    redact = redactor((BEARER,))
    assert redact(f"Authorization: Bearer {BEARER}") == "Authorization: Bearer ***"
    assert redact(f"{{'authorization': b'Bearer {BEARER}\\n'}}") == "{'authorization': b'Bearer ***\\n'}"


def test_a_header_s_number_and_hash_are_no_secrets(stream: StringIO) -> None:
    header = replace(genesis(), number=BlockNumber(23_882_697))
    assert logged(stream, *quotes(quote_at(header)))[0]["block"] == 23_882_697
