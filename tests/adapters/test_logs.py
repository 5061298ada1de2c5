import json
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import structlog

from app.adapters.logs import EventLog, LogEvent, configure_logging, redactor
from app.domain.formula import FeeFormula
from app.domain.header import L1Header
from app.domain.network import DEVNET_CHAIN_ID, Network
from app.domain.parameters import Parameters
from app.domain.quote import Quote, make_quote
from app.domain.units import BlockNumber, UnixMillis, UnixSeconds, Wei, WeiPerGas
from app.domain.vault import NO_VAULT, VaultCondition, VaultSource, VaultState
from app.engine.events import (
    Event,
    HeaderRejected,
    HeadWentBack,
    PathRebuilt,
    PollFailed,
    PollSucceeded,
    ProviderChanged,
    QuoteMade,
    ReorgFollowed,
    RpcFinished,
    VaultReadable,
    VaultUnreadable,
)
from tests.fakes import child_of, genesis

DOCUMENTATION = (Path(__file__).parents[2] / "docs" / "logging.md").read_text(encoding="utf-8")
AT = UnixMillis(1_764_157_404_123)
KEY = "0123456789abcdef0123"
RPC_URL = f"https://operator:hunter2@rpc.example/v2/{KEY}?token=querysecret"
CAPPED = Parameters(max_fee=WeiPerGas(10**9))


@pytest.fixture
def stream() -> Iterator[StringIO]:
    """The log's lines at level debug; what logging and structlog were is put back."""
    names = ("", "app", "uvicorn", "uvicorn.error", "uvicorn.asgi", "uvicorn.access")
    loggers = [logging.getLogger(name or None) for name in names]
    before = [(logger.handlers[:], logger.level, logger.propagate, logger.disabled) for logger in loggers]
    stream = StringIO()
    configure_logging("debug", "json", stream, secrets=(RPC_URL,))
    yield stream
    structlog.reset_defaults()
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


def test_calls_are_counted_and_not_logged(stream: StringIO) -> None:
    assert logged(stream, RpcFinished("main", "eth_chainId", "timeout", 2.0)) == []


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


def test_a_header_s_number_and_hash_are_no_secrets(stream: StringIO) -> None:
    header = replace(genesis(), number=BlockNumber(23_882_697))
    assert logged(stream, *quotes(quote_at(header)))[0]["block"] == 23_882_697
