"""What is wrong, or does nothing, between variables that are right one by one."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import combinations

from app.domain.alerts import AlertThresholds
from app.domain.errors import InvalidValueError
from app.domain.vault import VaultLayer, VaultSource
from app.settings.access import tokens_file_problems
from app.settings.endpoints import share_a_place
from app.settings.kinds import alternatives
from app.settings.model import VARIABLES, Settings
from app.settings.urls import redacted_urls


def contradictions(settings: Settings) -> Iterator[str]:
    """What is wrong between variables that are right one by one."""
    yield from _parameter_problems(settings)
    yield from _quorum_problems(settings)
    yield from _vault_problems(settings)
    yield from tokens_file_problems("TAIKO_ADMIN_TOKENS_FILE", settings.admin_tokens_file)
    stale, expires = settings.quote_stale_after_seconds, settings.quote_expires_after_seconds
    if expires < stale:
        yield (
            f"TAIKO_QUOTE_EXPIRES_AFTER_SECONDS: got {expires},"
            f" expected at least TAIKO_QUOTE_STALE_AFTER_SECONDS ({stale})"
        )
    yield from _threshold_problems(settings)


def _parameter_problems(settings: Settings) -> Iterator[str]:
    try:
        settings.parameter_set()
    except InvalidValueError as error:
        names = {variable.parameter: variable.name for variable in VARIABLES}
        allowed = error.allowed.replace("maxFeeGwei", "TAIKO_MAX_FEE_GWEI")
        yield str(InvalidValueError(names[error.name], error.value, allowed))


def _quorum_problems(settings: Settings) -> Iterator[str]:
    nodes = max(1, len(settings.l1_endpoints()))
    if settings.l1_quorum is not None and settings.l1_quorum > nodes:
        yield (
            f"TAIKO_L1_QUORUM: got {settings.l1_quorum}, expected auto or at most {nodes}: there cannot be more"
            " providers that agree than TAIKO_L1_RPC_URLS names"
        )


def _threshold_problems(settings: Settings) -> Iterator[str]:
    """Fees and recoveries are judged apart, so that a fault in one does not hide another."""
    fees = {"fee_min": settings.alert_fee_min_gwei, "fee_max": settings.alert_fee_max_gwei}
    recoveries = {
        "recovery_low": settings.alert_recovery_low,
        "recovery_high": settings.alert_recovery_high,
        "recovery_min": settings.alert_recovery_min,
        "recovery_max": settings.alert_recovery_max,
    }
    for together in (fees, recoveries):
        try:
            replace(AlertThresholds(), **together)
        except InvalidValueError as error:
            yield str(error)


def _vault_problems(settings: Settings) -> Iterator[str]:
    has_addresses = settings.vault_addresses is not None
    has_balance = settings.vault_balance_eth is not None
    plan = settings.vault_plan()
    foreign = _inputs_of_another_source(settings)
    if foreign:
        yield (
            f"TAIKO_VAULT_SOURCE: got '{settings.vault_source}', which takes no {alternatives(foreign)}:"
            " expected another source, or them unset"
        )
    if plan.source is VaultSource.NONE:
        return
    if settings.vault_source is None and has_addresses and has_balance:
        yield (
            "TAIKO_VAULT_ADDRESSES and TAIKO_VAULT_BALANCE_ETH: both are set, expected one of them:"
            " the vault is read on chain, or has a static balance"
        )
    elif plan.source is VaultSource.STATIC and not has_balance:
        yield "TAIKO_VAULT_BALANCE_ETH: not set, expected the static vault's balance in ETH"
    elif plan.source is VaultSource.ONCHAIN and not has_addresses:
        yield "TAIKO_VAULT_ADDRESSES: not set, expected the on-chain vault's addresses as l1:0x…,l2:0x…"
    if plan.target is None:
        yield f"TAIKO_VAULT_TARGET_ETH: not set, expected what the {plan.source} vault should hold, in ETH"
    if plan.source is VaultSource.PUSH and not settings.has_administration():
        yield (
            "TAIKO_VAULT_SOURCE: got 'push', expected TAIKO_ADMIN_TOKEN or TAIKO_ADMIN_TOKENS_FILE beside it:"
            " without a token nobody can push a balance"
        )
    if any(address.layer is VaultLayer.L2 for address in plan.addresses) and not settings.l2_endpoints():
        yield "TAIKO_L2_RPC_URLS: not set, expected a node that can read the L2 addresses of TAIKO_VAULT_ADDRESSES"


def _inputs_of_another_source(settings: Settings) -> list[str]:
    """What is set beside a source that is named and does not take it."""
    taken_by = {
        "TAIKO_VAULT_ADDRESSES": (settings.vault_addresses, {VaultSource.ONCHAIN}),
        "TAIKO_VAULT_BALANCE_ETH": (settings.vault_balance_eth, {VaultSource.STATIC}),
        "TAIKO_VAULT_TARGET_ETH": (
            settings.vault_target_eth,
            {VaultSource.ONCHAIN, VaultSource.STATIC, VaultSource.PUSH},
        ),
    }
    source = settings.vault_source
    return [
        name
        for name, (value, sources) in taken_by.items()
        if value is not None and source is not None and source not in sources
    ]


def worker_problems(environ: Mapping[str, str]) -> Iterator[str]:
    workers = environ.get("WEB_CONCURRENCY", "").strip()
    if workers not in ("", "1"):
        yield str(
            InvalidValueError(
                "WEB_CONCURRENCY",
                redacted_urls(workers),
                "unset or 1: one process holds the state; for more capacity run replicas behind a load balancer",
            )
        )


def ineffective(settings: Settings) -> Iterator[str]:
    """What is set and does nothing, and is not wrong."""
    if settings.vault_plan().source is VaultSource.NONE and settings.vault_target_eth is not None:
        yield "TAIKO_VAULT_TARGET_ETH has no effect without a vault: neither its addresses nor its balance are set"
    shared = {node.alias for node in settings.l1_endpoints()} & {node.alias for node in settings.l2_endpoints()}
    for alias in sorted(shared):
        yield f"TAIKO_L1_RPC_URLS and TAIKO_L2_RPC_URLS share the alias {alias}: metrics cannot tell them apart"
    for first, second in combinations(settings.l1_endpoints(), 2):
        if share_a_place(first, second):
            yield (
                f"TAIKO_L1_RPC_URLS: {first.alias} and {second.alias} are at the same host and port: if one provider"
                " is behind both, its word counts twice"
            )
