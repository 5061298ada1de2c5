"""`GET /v1/audit`: who decided what, and when, newest first.

Parameter changes and pushed balances are told apart, since balances may be pushed every minute and would bury the few
changes; each kind is in the order in which the store took it, which no clock can shift.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from app.api.administration import actor_of
from app.api.bodies import JsonObject, amount_text, encoded, first_block, timestamp_text
from app.api.context import ApiContext
from app.api.paging import LONGEST_DETAIL, READ_AT_ONCE, encoded_list, limit_of, link_header, next_path
from app.api.parameters import difference_objects
from app.api.problems import chain_unknown, invalid_values
from app.api.reading import Page
from app.api.requests import query_of, whole_number
from app.domain.errors import InvalidValueError
from app.domain.governance import ParameterChange, VaultReport
from app.domain.network import Network
from app.domain.parameter_set import ParameterSet
from app.domain.units import SAFE_INTEGER_LIMIT
from app.engine.ports import Archive, UndecodableDecision

PATH: Final = "/v1/audit"
PARAMETERS: Final = "parameters"
VAULT: Final = "vault"
KINDS: Final = (PARAMETERS, VAULT)
GREATEST_BEFORE: Final = SAFE_INTEGER_LIMIT - 1

_QUERY: Final = frozenset({"kind", "limit", "before"})

Decision = ParameterChange | VaultReport | UndecodableDecision


async def get_audit(context: ApiContext, request: Request) -> Response:
    """One page of the trail."""
    actor_of(context, request)
    query = query_of(request, _QUERY)
    kind, limit = _kind_of(query), limit_of(query)
    before = whole_number(query, "before", least=0, greatest=GREATEST_BEFORE)
    network = context.known_network
    if network is None:
        raise chain_unknown(context.board.feed_status.failure_reason, context.poll_interval_seconds)
    async with context.archive.seat() as archive:
        found = await _read(archive, network, kind, before, limit + 1)
        written = await _written(found, limit)
    following = None
    if len(found) > limit:
        following = next_path(PATH, kind=kind, limit=limit, before=_number_of(found[limit - 1]))
    ending: JsonObject = {
        "undecodable": [
            {"number": decision.number, "detail": decision.why[:LONGEST_DETAIL]}
            for decision in found[:limit]
            if isinstance(decision, UndecodableDecision)
        ],
        "kind": kind,
        "next": following,
        "network": context.network_name,
    }
    return Page(
        context.archive,
        encoded_list("entries", written, ending),
        "application/json",
        {"Link": link_header(PATH, following, kind=kind, limit=limit)},
    )


async def _read(archive: Archive, network: Network, kind: str, before: int | None, most: int) -> list[Decision]:
    found: list[Decision] = []
    below = archive.changes_below if kind == PARAMETERS else archive.reports_below
    while len(found) < most:
        asked = min(most - len(found), READ_AT_ONCE)
        chunk = await below(network, _number_of(found[-1]) if found else before, asked)
        found += chunk
        if len(chunk) < asked:
            break
    return found


async def _written(found: Sequence[Decision], limit: int) -> list[bytes]:
    """Up to `limit` decisions, each with what it changed of the one before it."""
    written = []
    for index, (decision, earlier) in enumerate(zip(found[:limit], (*found[1:], None), strict=False), start=1):
        if isinstance(decision, ParameterChange):
            written.append(encoded(change_object(decision, earlier)))
        elif isinstance(decision, VaultReport):
            written.append(encoded(report_object(decision, earlier)))
        if index % READ_AT_ONCE == 0:
            await asyncio.sleep(0)
    return written


def change_object(change: ParameterChange, earlier: Decision | None) -> JsonObject:
    """A parameter change. What the first one changed is told against the defaults.

    Where the one right before it is gone or cannot be read, nobody knows what this one changed.
    """
    before = None
    if isinstance(earlier, ParameterChange) and earlier.number == change.number - 1:
        before = earlier.parameter_set
    compared = ParameterSet() if change.number == 1 else before
    return {
        "number": change.number,
        "at": timestamp_text(change.at),
        "actor": change.actor,
        "reason": change.reason,
        "fromBlock": first_block(change),
        "previousParametersId": None if before is None else before.parameters.parameters_id,
        "parametersId": change.parameter_set.parameters.parameters_id,
        "changed": None if compared is None else difference_objects(compared, change.parameter_set),
    }


def report_object(report: VaultReport, earlier: Decision | None) -> JsonObject:
    """A pushed balance."""
    before = earlier.balance if isinstance(earlier, VaultReport) else None
    return {
        "sequence": report.sequence,
        "at": timestamp_text(report.at),
        "actor": report.actor,
        "fromBlock": first_block(report),
        "previousBalanceWei": amount_text(before),
        "balanceWei": str(report.balance),
    }


def _number_of(decision: Decision) -> int:
    return decision.sequence if isinstance(decision, VaultReport) else decision.number


def _kind_of(query: Mapping[str, str]) -> str:
    kind = query.get("kind", PARAMETERS)
    if kind not in KINDS:
        raise invalid_values(InvalidValueError("kind", kind, " or ".join(KINDS)))
    return kind
