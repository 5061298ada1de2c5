"""`validate`: the document's numbers, the settings before a deployment, a live oracle after it."""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from app.cli.exits import EXIT_CHECK_FAILED, EXIT_OK, EXIT_UPSTREAM
from app.cli.http import UnreachableError, answer_of
from app.cli.invocation import Invocation
from app.cli.options import add_settings
from app.cli.output import print_columns, print_json, print_line, say
from app.cli.usage import Parser
from app.cli.values import duration, gwei, price
from app.domain.header import L1Header
from app.engine.ports import UpstreamError
from app.research.live_validation import UNUSABLE, live_checks
from app.research.validation import Check, Claim, Verdict, claims, settings_checks
from app.settings import VARIABLES, LoadedSettings, is_web_url

_DEFAULT_L1_GWEI: Final = "25"


def add_options(parser: Parser) -> None:
    """The command's options."""
    checks = parser.add_argument_group("checks")
    checks.add_argument(
        "--l1-base-fee-gwei",
        dest="l1_base_fee",
        type=price(gwei),
        default=gwei(_DEFAULT_L1_GWEI),
        metavar="X",
        help=f"L1 base fee that the settings are checked at [{_DEFAULT_L1_GWEI}]",
    )
    checks.add_argument("--url", metavar="URL", help="check a live oracle instead, and its L1 where one is configured")
    checks.add_argument("--watch", type=duration, metavar="TIME", help="look again every so often, such as 5m")
    checks.add_argument("--for", dest="duration", type=duration, metavar="TIME", help="for so long, such as 1h")
    add_settings(parser, VARIABLES)


def validate_command(invocation: Invocation) -> int:
    arguments = invocation.arguments
    if arguments.url is None:
        if arguments.watch is not None or arguments.duration is not None:
            invocation.usage_error("--watch and --for need --url")
        return _validate_here(invocation)
    if not is_web_url(arguments.url):
        invocation.usage_error("--url: expected an http or https URL with a host and without blanks")
    if (arguments.watch is None) != (arguments.duration is None):
        invocation.usage_error("--watch and --for belong together")
    return _validate_live(invocation)


def _validate_here(invocation: Invocation) -> int:
    loaded = invocation.load()
    settings = loaded.settings
    promised = tuple(claims())
    checks = tuple(
        settings_checks(
            settings.parameter_set(),
            settings.alert_thresholds(),
            settings.vault_plan().target,
            invocation.arguments.l1_base_fee,
        )
    )
    passed = _passed(checks)
    if invocation.wants_json:
        print_json({"ok": passed, "document": list(map(_claim_object, promised)), "checks": _check_objects(checks)})
    else:
        print_columns(tuple(_claim_rows(promised)))
        for claim in promised:
            if claim.reason is not None:
                print_line(f"  {claim.name}: {claim.reason}")
        print_line("")
        print_columns(tuple(_check_rows(checks)))
    return EXIT_OK if passed else EXIT_CHECK_FAILED


def _validate_live(invocation: Invocation) -> int:
    loaded, arguments = invocation.load(), invocation.arguments
    ends_at = time.monotonic() + (arguments.duration or 0)
    worst = EXIT_OK
    while True:
        worst = max(worst, _look(invocation, loaded))
        sys.stdout.flush()
        if arguments.watch is None or time.monotonic() + arguments.watch > ends_at:
            return worst
        time.sleep(arguments.watch)


def _look(invocation: Invocation, loaded: LoadedSettings) -> int:
    """One look at the oracle; the exit status that it deserves."""
    url = invocation.arguments.url
    try:
        fee, parameters, vault = (answer_of(url, f"/v1/{name}") for name in ("fee", "parameters", "vault"))
        header = _header(invocation, loaded, fee)
        checks = tuple(live_checks(fee, parameters, vault, loaded.settings.alert_thresholds(), header))
    except (UnreachableError, UpstreamError) as error:
        say(f"error: {error}")
        return EXIT_UPSTREAM
    except UNUSABLE as error:
        say(f"error: --url does not answer like this oracle: {type(error).__name__}: {error}")
        return EXIT_UPSTREAM
    if invocation.wants_json:
        print_line(
            json.dumps({"at": invocation.services.now(), "ok": _passed(checks), "checks": _check_objects(checks)})
        )
    else:
        if invocation.arguments.watch is not None:
            print_line(datetime.fromtimestamp(invocation.services.now() // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S"))
        print_columns(tuple(_check_rows(checks)))
    return EXIT_OK if _passed(checks) else EXIT_CHECK_FAILED


def _header(invocation: Invocation, loaded: LoadedSettings, fee: Mapping[str, Any]) -> L1Header | None:
    """The L1's own header at the quote's block; None where no L1 is configured."""
    if not loaded.settings.l1_endpoints():
        say("note: TAIKO_L1_RPC_URLS is not set, so the L1 is not asked")
        return None
    return invocation.services.fetch_header(loaded, int(fee["l1"]["blockNumber"]))


def _passed(checks: Sequence[Check]) -> bool:
    return all(check.verdict is not Verdict.FAILED for check in checks)


def _claim_object(claim: Claim) -> dict[str, object]:
    return {
        "name": claim.name,
        "documented": claim.documented,
        "computed": claim.computed,
        "holds": claim.holds,
        "reason": claim.reason,
    }


def _check_objects(checks: Sequence[Check]) -> list[dict[str, str]]:
    return [{"name": check.name, "verdict": check.verdict.value, "detail": check.detail} for check in checks]


def _claim_rows(promised: Sequence[Claim]) -> Iterator[tuple[str, ...]]:
    yield "the document says", "documented", "computed", ""
    for claim in promised:
        yield claim.name, claim.documented, claim.computed, "holds" if claim.holds else "differs"


def _check_rows(checks: Sequence[Check]) -> Iterator[tuple[str, ...]]:
    for check in checks:
        yield check.verdict.value, check.name, check.detail
