"""Who may administer, and `PUT /v1/vault`."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from app.api.answers import uncached_json
from app.api.bodies import JsonObject, first_block, timestamp_text
from app.api.context import ApiContext
from app.api.problems import (
    chain_unknown,
    invalid_token,
    invalid_values,
    report_not_journaled,
    sequence_refused,
    unauthorized,
    vault_not_pushed,
)
from app.api.requests import bearer_of, json_object_of, query_of, require_match
from app.api.what_if import is_whole_number
from app.domain.errors import InvalidValueError
from app.domain.governance import ReportRefusedError, VaultReport
from app.domain.units import SAFE_INTEGER_LIMIT, Wei
from app.domain.vault import VaultSource
from app.engine.ports import NoNetworkError, StoreError, UpstreamError

GREATEST_BALANCE: Final = 10**30
"""In wei; far above all the ether there is."""

_BALANCE_ALLOWED: Final = 'a whole number of wei, such as "1000000000000000000", at least 0 and below 10^30'
_KEYS: Final = ("balanceWei", "sequence")


def actor_of(context: ApiContext, request: Request) -> str:
    """Who asks. Raises a `ProblemError` for nobody."""
    token = bearer_of(request)
    if token is None:
        raise unauthorized()
    actor = None if context.tokens is None else context.tokens.actor_of(token)
    if actor is None:
        raise invalid_token()
    return actor


async def put_vault(context: ApiContext, request: Request) -> Response:
    """Put a pushed balance in force from the next block on; the report in force after it."""
    actor = actor_of(context, request)
    if context.vault_plan.source is not VaultSource.PUSH:
        raise vault_not_pushed(context.vault_plan.source)
    query_of(request)
    balance, sequence = report_of(await json_object_of(request, context.body_timeout_seconds))
    require_match(request, context.parameters_in_force.parameters.parameters_id, context.parameters_tag)
    try:
        report = await context.desk.report_vault(balance, sequence, actor)
    except ReportRefusedError as error:
        raise sequence_refused(error) from None
    except StoreError as error:
        raise report_not_journaled(error, context.poll_interval_seconds) from None
    except UpstreamError as error:
        raise chain_unknown(error.reason, context.poll_interval_seconds) from None
    except NoNetworkError:
        reason = context.board.feed_status.failure_reason
        raise chain_unknown(reason, context.poll_interval_seconds) from None
    return uncached_json(_report_object(report) | {"network": context.network_name})


def report_of(document: JsonObject) -> tuple[Wei, int]:
    """Balance and sequence of the body, read strictly. Raises a `ProblemError` that names whatever is not allowed."""
    errors = [
        InvalidValueError(name, value, f"one of {', '.join(_KEYS)}")
        for name, value in document.items()
        if name not in _KEYS
    ]
    balance, sequence = document.get("balanceWei"), document.get("sequence")
    if isinstance(balance, str) and is_whole_number(balance):
        balance = int(balance)
    if isinstance(balance, bool) or not isinstance(balance, int) or not 0 <= balance < GREATEST_BALANCE:
        errors.append(InvalidValueError("balanceWei", document.get("balanceWei"), _BALANCE_ALLOWED))
    if isinstance(sequence, bool) or not isinstance(sequence, int) or not 1 <= sequence < SAFE_INTEGER_LIMIT:
        errors.append(InvalidValueError("sequence", sequence, "a whole number, at least 1 and below 2^53"))
    if errors or not isinstance(balance, int) or not isinstance(sequence, int):
        raise invalid_values(*errors)
    return Wei(balance), sequence


def _report_object(report: VaultReport) -> JsonObject:
    return {
        "balanceWei": str(report.balance),
        "sequence": report.sequence,
        "fromBlock": first_block(report),
        "reportedAt": timestamp_text(report.at),
        "actor": report.actor,
    }
