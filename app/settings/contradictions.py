"""What is wrong, or does nothing, between variables that are right one by one."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from app.domain.alerts import AlertThresholds
from app.domain.errors import InvalidValueError
from app.domain.vault import VaultLayer, VaultSource
from app.settings.model import VARIABLES, Settings
from app.settings.urls import redacted_urls


def contradictions(settings: Settings) -> Iterator[str]:
    """What is wrong between variables that are right one by one."""
    yield from _parameter_problems(settings)
    yield from _vault_problems(settings)
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
    if plan.source is VaultSource.NONE:
        return
    if has_addresses and has_balance:
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
    if any(address.layer is VaultLayer.L2 for address in plan.addresses) and not settings.l2_endpoints():
        yield "TAIKO_L2_RPC_URLS: not set, expected a node that can read the L2 addresses of TAIKO_VAULT_ADDRESSES"


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
    if settings.vault_plan().source is VaultSource.NONE:
        for name, value in (
            ("TAIKO_VAULT_ADDRESSES", settings.vault_addresses),
            ("TAIKO_VAULT_BALANCE_ETH", settings.vault_balance_eth),
            ("TAIKO_VAULT_TARGET_ETH", settings.vault_target_eth),
        ):
            if value is not None:
                yield f"{name} has no effect without a vault: TAIKO_VAULT_SOURCE is {settings.vault_source or 'unset'}"
    shared = {node.alias for node in settings.l1_endpoints()} & {node.alias for node in settings.l2_endpoints()}
    for alias in sorted(shared):
        yield f"TAIKO_L1_RPC_URLS and TAIKO_L2_RPC_URLS share the alias {alias}: metrics cannot tell them apart"
