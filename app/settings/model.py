"""Every variable, described once, and the plain values that the rest of the program is given."""

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

from app.domain.advice import Advice, advice
from app.domain.alerts import AlertThresholds
from app.domain.freshness import FreshnessPolicy
from app.domain.parameter_set import ParameterSet, ParameterSource, ParameterText
from app.domain.parameters import Controller, Preset
from app.domain.units import Wei, WeiPerGas
from app.domain.vault import VaultAddress, VaultPlan, VaultSource
from app.engine.ports import Endpoint
from app.settings.access import PATH, TOKEN, Secret
from app.settings.endpoints import endpoints_kind
from app.settings.kinds import (
    AGE_SECONDS,
    CHAIN_ID,
    ETHER,
    GREATEST_PORT,
    GWEI,
    HOST,
    RATIO,
    SECONDS,
    SHARE,
    SWITCH,
    WEIGHT,
    LogFormat,
    LogLevel,
    choice,
    fee_parameter_kind,
    seconds,
    whole,
    whole_or,
)
from app.settings.origins import ORIGINS
from app.settings.state_url import STATE_URL, StateUrl, StoreKind
from app.settings.variable import ACCESS, ALERTS, FEE, FRESHNESS, L1, L2, SERVER, STATE, VAULT, Variable
from app.settings.vault_inputs import VAULT_ADDRESSES, VAULT_SOURCE

_GREATEST_ATTEMPT_SECONDS: Final = 5
_GREATEST_HISTORY_DAYS: Final = 36_500
_GREATEST_STREAM_CLIENTS: Final = 100_000
_DEFAULT_TEXTS: Final = MappingProxyType(ParameterSet().texts())


def _fee_parameter(
    key: str, description: str, *, metavar: str, checked_as: str | None = None, example: str | None = None
) -> Variable:
    """A fee parameter by its JSON key; its default is the domain's."""
    default = _DEFAULT_TEXTS[key]
    return Variable(
        FEE,
        description,
        replace(fee_parameter_kind(key, checked_as or key), metavar=metavar),
        shown_default=None if default is None else str(default),
        example=example,
        parameter=key,
    )


def _file_of(group: str, name: str, example: str) -> Variable:
    """A variable that names the file with the value of `name`."""
    description = f"File that holds the value of {name}, in place of that; read at the start."
    return Variable(group, description, PATH, example=f"/etc/taiko-fee-oracle/{example}", contents_of=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The values of every variable. Prices and balances are whole wei, ratios exact; None is unset.

    A field's name is its variable's: `alpha_data` is `TAIKO_ALPHA_DATA` and `--alpha-data`.
    """

    preset: Annotated[
        ParameterText,
        _fee_parameter(
            "preset", "Named values of α, ν and H; an explicit variable overrides them.", metavar="|".join(Preset)
        ),
    ]
    controller: Annotated[
        ParameterText,
        _fee_parameter(
            "controller",
            "The formula: the alpha-data one, or the legacy one for a rollback.",
            metavar="|".join(Controller),
        ),
    ]
    alpha_data: Annotated[
        ParameterText, _fee_parameter("alphaData", "α: L1 data-availability gas per L2 gas.", metavar="RATIO")
    ]
    deficit_weight: Annotated[
        ParameterText,
        _fee_parameter(
            "deficitWeight", "ν: share of the vault's deficit to heal over the horizon, 0 to 1.", metavar="RATIO"
        ),
    ]
    horizon_batches: Annotated[
        ParameterText,
        _fee_parameter("horizonBatches", "H: the horizon over which the deficit heals, in batches.", metavar="N"),
    ]
    base_fee_gwei: Annotated[
        ParameterText, _fee_parameter("baseFeeGwei", "Additive operating cost, in gwei per L2 gas.", metavar="GWEI")
    ]
    l2_gas_per_batch: Annotated[ParameterText, _fee_parameter("l2GasPerBatch", "G: L2 gas per batch.", metavar="N")]
    proof_gas_per_batch: Annotated[
        ParameterText, _fee_parameter("proofGasPerBatch", "P: L1 proof gas per batch.", metavar="N")
    ]
    min_fee_gwei: Annotated[
        ParameterText,
        _fee_parameter("minFeeGwei", "Least fee, in gwei per L2 gas.", metavar="GWEI", checked_as="maxFeeGwei"),
    ]
    max_fee_gwei: Annotated[
        ParameterText,
        _fee_parameter("maxFeeGwei", "Greatest fee, in gwei per L2 gas; at most 9007199.", metavar="GWEI"),
    ]
    max_fee_increase: Annotated[
        ParameterText,
        _fee_parameter(
            "maxFeeIncrease",
            "κ↑: greatest relative rise of the fee per L1 block, above 0; unset is no limit.",
            metavar="RATIO",
            example="0.125",
        ),
    ]
    max_fee_decrease: Annotated[
        ParameterText,
        _fee_parameter(
            "maxFeeDecrease",
            "κ↓: greatest relative fall of the fee per L1 block, above 0 and at most 1; unset is no limit.",
            metavar="RATIO",
            example="0.125",
        ),
    ]
    legacy_mu: Annotated[
        Fraction, Variable(FEE, "μ of the legacy formula: share of the smoothed L1 cost it charges.", RATIO, "0.7")
    ]
    legacy_smoothing: Annotated[
        Fraction,
        Variable(FEE, "λ of the legacy formula: weight of the newest L1 cost, above 0 and at most 1.", WEIGHT, "0.1"),
    ]
    initial_fee_gwei: Annotated[
        WeiPerGas,
        Variable(FEE, "Previous fee of a new deployment, in gwei; matters only under a rate limit.", GWEI, "1"),
    ]

    l1_rpc_urls: Annotated[
        tuple[Endpoint, ...] | None,
        Variable(
            L1,
            "L1 nodes in order of preference: alias=url or bare URLs (p1, p2, …), by commas; http(s) or ws(s).",
            endpoints_kind("p"),
            example="main=wss://ethereum.example/rpc,spare=http://127.0.0.1:8545",
            holds_urls=True,
        ),
    ]
    l1_rpc_urls_file: Annotated[Path | None, _file_of(L1, "TAIKO_L1_RPC_URLS", "l1-rpc-urls")]
    l1_chain_id: Annotated[
        int | None,
        Variable(
            L1,
            "Expected L1 chain id; a provider on another chain is never used.",
            CHAIN_ID,
            shown_default="learned",
            example="1",
        ),
    ]
    l1_quorum: Annotated[
        int | None,
        Variable(
            L1,
            "Distinct providers that must agree on the L1 head; auto is 1 for one or two, 2 for three and more.",
            whole_or("auto", 1),
            "auto",
        ),
    ]
    poll_interval_seconds: Annotated[
        float, Variable(L1, "Time between two polls of the L1 head, 0.1 and up.", SECONDS, "2")
    ]
    rpc_timeout_seconds: Annotated[
        float,
        Variable(
            L1,
            "Longest time for one attempt of a call to a node; at most 5, so that several fit into a slot.",
            seconds(_GREATEST_ATTEMPT_SECONDS),
            "2",
        ),
    ]

    l2_rpc_urls: Annotated[
        tuple[Endpoint, ...] | None,
        Variable(
            L2,
            "L2 nodes, for the vault's L2 balances: as TAIKO_L1_RPC_URLS, bare ones being l2-p1, l2-p2, …",
            endpoints_kind("l2-p"),
            example="taiko=https://taiko.example/rpc",
            holds_urls=True,
        ),
    ]
    l2_rpc_urls_file: Annotated[Path | None, _file_of(L2, "TAIKO_L2_RPC_URLS", "l2-rpc-urls")]
    l2_chain_id: Annotated[int, Variable(L2, "Chain id of the L2; part of every quote.", CHAIN_ID, "167000")]
    blocks_per_batch: Annotated[
        int, Variable(L2, "L1 blocks per batch, for modelled totals (32 was measured in 2026).", whole(1), "1")
    ]

    vault_source: Annotated[
        VaultSource | None,
        Variable(
            VAULT,
            "Where the vault's balance comes from: none, static, onchain or push.",
            VAULT_SOURCE,
            shown_default="inferred: addresses → onchain, balance → static, else none",
            example="onchain",
        ),
    ]
    vault_addresses: Annotated[
        tuple[VaultAddress, ...] | None,
        Variable(
            VAULT,
            "Addresses whose balances are summed: l1:0x…,l2:0x…",
            VAULT_ADDRESSES,
            example="l2:0x1670000000000000000000000000000000010001",
        ),
    ]
    vault_balance_eth: Annotated[
        Wei | None, Variable(VAULT, "Balance of a static vault, in ETH.", ETHER, example="0.9")
    ]
    vault_target_eth: Annotated[
        Wei | None, Variable(VAULT, "What the vault should hold, in ETH; every vault needs it.", ETHER, example="1")
    ]
    vault_max_age_seconds: Annotated[
        int,
        Variable(VAULT, "Age past which a balance that could not be read anew counts as expired.", AGE_SECONDS, "600"),
    ]
    surplus_discount: Annotated[bool, Variable(VAULT, "Whether a surplus lowers the fee.", SWITCH, "false")]

    quote_stale_after_seconds: Annotated[
        int, Variable(FRESHNESS, "Age of the L1 head up to which a quote is fresh.", AGE_SECONDS, "48")
    ]
    quote_expires_after_seconds: Annotated[
        int, Variable(FRESHNESS, "Age of the L1 head past which a quote is no longer served.", AGE_SECONDS, "180")
    ]

    state_url: Annotated[
        StateUrl,
        Variable(
            STATE,
            "Where the journal is kept: sqlite:/// and a path, or postgresql://user:password@host:port/database.",
            STATE_URL,
            "sqlite:///var/taiko-fee-oracle.db",
            holds_urls=True,
        ),
    ]
    state_url_file: Annotated[Path | None, _file_of(STATE, "TAIKO_STATE_URL", "state-url")]
    history_days: Annotated[
        int, Variable(STATE, "Days for which the journal is kept.", whole(1, _GREATEST_HISTORY_DAYS), "30")
    ]
    journal_required: Annotated[
        bool,
        Variable(
            STATE,
            "Whether quotes are refused (503) while the journal fails, rather than served on.",
            SWITCH,
            "false",
        ),
    ]

    admin_token: Annotated[
        Secret | None,
        Variable(
            ACCESS,
            "Bearer token of whoever administers, at least 32 characters; the actor is called admin. No flag.",
            TOKEN,
            example="<32 random characters or more>",
            is_secret=True,
        ),
    ]
    admin_tokens_file: Annotated[
        Path | None,
        Variable(
            ACCESS,
            "File of name:sha256 lines, one for each further token; the name is the actor. Read anew when it changes.",
            PATH,
            example="/etc/taiko-fee-oracle/tokens",
        ),
    ]

    http_host: Annotated[str, Variable(SERVER, "Address to listen on.", HOST, "127.0.0.1")]
    http_port: Annotated[
        int, Variable(SERVER, "Port to listen on; 0 is any free one.", whole(0, GREATEST_PORT), "8600")
    ]
    stream_clients_max: Annotated[
        int,
        Variable(
            SERVER,
            "Readers that GET /v1/fee/stream has at most at once; a further one gets 503.",
            whole(1, _GREATEST_STREAM_CLIENTS),
            "2000",
        ),
    ]
    cors_origins: Annotated[
        tuple[str, ...] | None,
        Variable(
            SERVER,
            "Origins whose web pages may read the answers, by commas; * is every page's. Unset: no CORS headers.",
            ORIGINS,
            example="https://app.example,https://ops.example:8443",
        ),
    ]
    json_rpc_allow_stale: Annotated[
        bool,
        Variable(
            SERVER,
            "Whether eth_gasPrice gives a stale fee too, a bare number that cannot say so; else error -32001.",
            SWITCH,
            "false",
        ),
    ]
    log_level: Annotated[LogLevel, Variable(SERVER, "Least severe messages that are logged.", choice(LogLevel), "info")]
    log_format: Annotated[
        LogFormat | None,
        Variable(
            SERVER,
            "How log lines look: json or console.",
            choice(LogFormat),
            shown_default="json; console on a terminal",
            example="json",
        ),
    ]

    alert_fee_min_gwei: Annotated[
        WeiPerGas, Variable(ALERTS, "Fee below which FeeOutOfRange fires, in gwei.", GWEI, "1")
    ]
    alert_fee_max_gwei: Annotated[
        WeiPerGas, Variable(ALERTS, "Fee above which FeeOutOfRange fires, in gwei.", GWEI, "50")
    ]
    alert_recovery_low: Annotated[
        Fraction, Variable(ALERTS, "Cost recovery below which CostRecoveryDrift fires.", RATIO, "0.8")
    ]
    alert_recovery_high: Annotated[
        Fraction, Variable(ALERTS, "Cost recovery above which CostRecoveryDrift fires.", RATIO, "1.3")
    ]
    alert_recovery_min: Annotated[
        Fraction, Variable(ALERTS, "Cost recovery below which CostRecoveryLoss fires.", RATIO, "0.7")
    ]
    alert_recovery_max: Annotated[
        Fraction, Variable(ALERTS, "Cost recovery above which the source document calls it unhealthy.", RATIO, "1.5")
    ]
    alert_vault_deficit: Annotated[
        Fraction,
        Variable(
            ALERTS, "Share of the target by which the vault may fall short before VaultDeficit fires.", SHARE, "0.20"
        ),
    ]
    alert_underfunded_share: Annotated[
        Fraction,
        Variable(
            ALERTS, "Share of a day that the vault may be underfunded before VaultUnderfunded fires.", SHARE, "0.15"
        ),
    ]

    def parameter_set(self) -> ParameterSet:
        """The fee parameters with their sources: the preset first, then the explicit ones over it."""
        explicit = {
            variable.parameter: value
            for variable in VARIABLES
            if variable.parameter and (value := getattr(self, variable.attribute)) is not None
        }
        chosen = ParameterSet().changed(explicit, ParameterSource.ENVIRONMENT)
        return replace(
            chosen,
            parameters=replace(chosen.parameters, legacy_mu=self.legacy_mu, legacy_smoothing=self.legacy_smoothing),
        )

    def vault_plan(self) -> VaultPlan:
        """The vault. Inputs that do not belong to its source are left out."""
        source = self._vault_source()
        has_vault = source is not VaultSource.NONE
        return VaultPlan(
            source=source,
            balance=self.vault_balance_eth if source is VaultSource.STATIC else None,
            target=self.vault_target_eth if has_vault else None,
            addresses=(self.vault_addresses or ()) if source is VaultSource.ONCHAIN else (),
            max_age_seconds=self.vault_max_age_seconds,
            surplus_discount=self.surplus_discount,
        )

    def freshness_policy(self) -> FreshnessPolicy:
        """How old a quote may be."""
        return FreshnessPolicy(self.quote_stale_after_seconds, self.quote_expires_after_seconds)

    def alert_thresholds(self) -> AlertThresholds:
        """What the alerts compare with."""
        return AlertThresholds(
            fee_min=self.alert_fee_min_gwei,
            fee_max=self.alert_fee_max_gwei,
            recovery_low=self.alert_recovery_low,
            recovery_high=self.alert_recovery_high,
            recovery_min=self.alert_recovery_min,
            recovery_max=self.alert_recovery_max,
            vault_deficit=self.alert_vault_deficit,
            underfunded_share=self.alert_underfunded_share,
        )

    def l1_endpoints(self) -> tuple[Endpoint, ...]:
        """The L1 nodes in order of preference; empty where none is configured."""
        return self.l1_rpc_urls or ()

    def l2_endpoints(self) -> tuple[Endpoint, ...]:
        """The L2 nodes in order of preference."""
        return self.l2_rpc_urls or ()

    def has_administration(self) -> bool:
        """Whether anybody may administer."""
        return self.admin_token is not None or self.admin_tokens_file is not None

    def secrets(self) -> tuple[str, ...]:
        """Every text that no line of a log may hold."""
        urls = [endpoint.url for endpoint in (*self.l1_endpoints(), *self.l2_endpoints())]
        state = [self.state_url.url] if self.state_url.kind is StoreKind.POSTGRESQL else []
        return (*urls, *state, *([self.admin_token.text] if self.admin_token else []))

    def advice(self, in_force: ParameterSet | None = None) -> tuple[Advice, ...]:
        """What is allowed here and dangerous, with the parameters that are `in_force`, or those of the settings."""
        return advice(
            (in_force or self.parameter_set()).parameters,
            self.alert_thresholds(),
            self.vault_plan().target,
            l1_providers=len(self.l1_endpoints()),
        )

    def redacted(self) -> dict[str, str | None]:
        """Every variable's value in force, as text that may be shown: of a URL, its alias and scheme."""
        parameters = self.parameter_set().texts()
        shown: dict[str, str | None] = {}
        for variable in VARIABLES:
            value = parameters[variable.parameter] if variable.parameter else getattr(self, variable.attribute)
            shown[variable.name] = variable.default if value is None else variable.kind.write(value)
        return shown

    def _vault_source(self) -> VaultSource:
        if self.vault_source is not None:
            return self.vault_source
        if self.vault_addresses is not None:
            return VaultSource.ONCHAIN
        return VaultSource.NONE if self.vault_balance_eth is None else VaultSource.STATIC


VARIABLES: Final[tuple[Variable, ...]] = tuple(
    replace(annotation.__metadata__[0], attribute=name) for name, annotation in Settings.__annotations__.items()
)
