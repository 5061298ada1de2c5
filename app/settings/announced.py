"""Which settings the log shows at the start. What is not named here is not shown: a new variable needs a decision."""

from types import MappingProxyType
from typing import Final

from app.settings.loading import LoadedSettings, Source

ANNOUNCED: Final = (
    "TAIKO_PRESET",
    "TAIKO_CONTROLLER",
    "TAIKO_ALPHA_DATA",
    "TAIKO_DEFICIT_WEIGHT",
    "TAIKO_HORIZON_BATCHES",
    "TAIKO_BASE_FEE_GWEI",
    "TAIKO_L2_GAS_PER_BATCH",
    "TAIKO_PROOF_GAS_PER_BATCH",
    "TAIKO_MIN_FEE_GWEI",
    "TAIKO_MAX_FEE_GWEI",
    "TAIKO_MAX_FEE_INCREASE",
    "TAIKO_MAX_FEE_DECREASE",
    "TAIKO_LEGACY_MU",
    "TAIKO_LEGACY_SMOOTHING",
    "TAIKO_INITIAL_FEE_GWEI",
    "TAIKO_L1_RPC_URLS_FILE",
    "TAIKO_L1_CHAIN_ID",
    "TAIKO_L1_QUORUM",
    "TAIKO_POLL_INTERVAL_SECONDS",
    "TAIKO_RPC_TIMEOUT_SECONDS",
    "TAIKO_L2_RPC_URLS_FILE",
    "TAIKO_L2_CHAIN_ID",
    "TAIKO_BLOCKS_PER_BATCH",
    "TAIKO_VAULT_SOURCE",
    "TAIKO_VAULT_ADDRESSES",
    "TAIKO_VAULT_BALANCE_ETH",
    "TAIKO_VAULT_TARGET_ETH",
    "TAIKO_VAULT_MAX_AGE_SECONDS",
    "TAIKO_SURPLUS_DISCOUNT",
    "TAIKO_QUOTE_STALE_AFTER_SECONDS",
    "TAIKO_QUOTE_EXPIRES_AFTER_SECONDS",
    "TAIKO_STATE_URL_FILE",
    "TAIKO_HISTORY_DAYS",
    "TAIKO_JOURNAL_REQUIRED",
    "TAIKO_ADMIN_TOKENS_FILE",
    "TAIKO_HTTP_HOST",
    "TAIKO_HTTP_PORT",
    "TAIKO_STREAM_CLIENTS_MAX",
    "TAIKO_JSON_RPC_ALLOW_STALE",
    "TAIKO_LOG_LEVEL",
    "TAIKO_LOG_FORMAT",
    "TAIKO_ALERT_FEE_MIN_GWEI",
    "TAIKO_ALERT_FEE_MAX_GWEI",
    "TAIKO_ALERT_RECOVERY_LOW",
    "TAIKO_ALERT_RECOVERY_HIGH",
    "TAIKO_ALERT_RECOVERY_MIN",
    "TAIKO_ALERT_RECOVERY_MAX",
    "TAIKO_ALERT_VAULT_DEFICIT",
    "TAIKO_ALERT_UNDERFUNDED_SHARE",
)
"""Shown with value and source."""

WITHHELD: Final = MappingProxyType(
    {
        "TAIKO_L1_RPC_URLS": "keys are often part of a node's URL; the aliases are in service_starting",
        "TAIKO_L2_RPC_URLS": "keys are often part of a node's URL",
        "TAIKO_STATE_URL": "a password may be part of a database's URL; the kind of store is in service_starting",
        "TAIKO_ADMIN_TOKEN": "a secret",
        "TAIKO_CORS_ORIGINS": "URLs, though public ones",
    }
)
"""Of these the log says only who set them; beside each, why."""


def announced(loaded: LoadedSettings, *, defaults: bool = True) -> dict[str, dict[str, str | None]]:
    """Each announced setting's value in force and who set it; without `defaults` only those that somebody set."""
    shown = loaded.settings.redacted()
    return {
        name: {"value": shown[name], "source": loaded.sources[name].value}
        for name in ANNOUNCED
        if defaults or loaded.sources[name] is not Source.DEFAULT
    }


def withheld(loaded: LoadedSettings, *, defaults: bool = True) -> dict[str, str]:
    """Who set each withheld setting."""
    sources = {name: loaded.sources[name] for name in WITHHELD}
    return {name: source.value for name, source in sources.items() if defaults or source is not Source.DEFAULT}
