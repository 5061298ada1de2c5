"""Every alert, once: its name, how bad it is, over how long it looks, and for how long its condition has to hold.

The Prometheus rules of the deployment and `GET /v1/alerts` are two evaluations of this table.
"""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from app.domain.units import MILLIS_PER_SECOND

PREFIX: Final = "TaikoFeeOracle"


class Severity(StrEnum):
    """Who has to know: by harm."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"
    NONE = "none"
    """It asks for nothing: that it fires is the news."""


class Alert(StrEnum):
    """An alert by its whole name."""

    FEE_OUT_OF_RANGE = "TaikoFeeOracleFeeOutOfRange"
    COST_RECOVERY_DRIFT = "TaikoFeeOracleCostRecoveryDrift"
    COST_RECOVERY_LOSS = "TaikoFeeOracleCostRecoveryLoss"
    VAULT_DEFICIT = "TaikoFeeOracleVaultDeficit"
    VAULT_UNDERFUNDED = "TaikoFeeOracleVaultUnderfunded"
    THRESHOLDS_UNSATISFIABLE = "TaikoFeeOracleThresholdsUnsatisfiable"
    QUOTE_STALE = "TaikoFeeOracleQuoteStale"
    FEED_FROZEN = "TaikoFeeOracleFeedFrozen"
    DOWN = "TaikoFeeOracleDown"
    PROVIDER_DOWN = "TaikoFeeOracleProviderDown"
    PROVIDER_DISSENT = "TaikoFeeOracleProviderDissent"
    HEADERS_REJECTED = "TaikoFeeOracleHeadersRejected"
    AT_BOUND = "TaikoFeeOracleAtBound"
    VAULT_UNREADABLE = "TaikoFeeOracleVaultUnreadable"
    JOURNAL_DEGRADED = "TaikoFeeOracleJournalDegraded"
    CLOCK_SKEW = "TaikoFeeOracleClockSkew"
    OVERRIDE_ACTIVE = "TaikoFeeOracleOverrideActive"
    WATCHDOG = "TaikoFeeOracleWatchdog"

    @property
    def short_name(self) -> str:
        """The name without its prefix: the label `alert` of the metrics."""
        return self.value.removeprefix(PREFIX)


class Unit(StrEnum):
    """What an alert's value and thresholds are in."""

    WEI = "wei"
    """Per L2 gas."""
    RATIO = "ratio"
    SECONDS = "seconds"
    BOOLEAN = "boolean"
    THRESHOLDS = "thresholds"
    PROVIDERS = "providers"
    HEADERS = "headers"


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One rule of an alert; an alert that is worse in one case than in another has two."""

    alert: Alert
    severity: Severity
    for_seconds: int
    window_seconds: int | None
    """None where the condition is of the moment."""
    unit: Unit


RULES: Final = (
    AlertRule(Alert.FEE_OUT_OF_RANGE, Severity.CRITICAL, 300, 600, Unit.WEI),
    AlertRule(Alert.COST_RECOVERY_DRIFT, Severity.WARNING, 900, 3_600, Unit.RATIO),
    AlertRule(Alert.COST_RECOVERY_LOSS, Severity.CRITICAL, 900, 3_600, Unit.RATIO),
    AlertRule(Alert.VAULT_DEFICIT, Severity.CRITICAL, 900, None, Unit.RATIO),
    AlertRule(Alert.VAULT_UNDERFUNDED, Severity.WARNING, 0, 86_400, Unit.RATIO),
    AlertRule(Alert.THRESHOLDS_UNSATISFIABLE, Severity.INFO, 600, None, Unit.THRESHOLDS),
    AlertRule(Alert.QUOTE_STALE, Severity.CRITICAL, 60, None, Unit.SECONDS),
    AlertRule(Alert.FEED_FROZEN, Severity.WARNING, 180, None, Unit.BOOLEAN),
    AlertRule(Alert.DOWN, Severity.CRITICAL, 60, None, Unit.BOOLEAN),
    AlertRule(Alert.DOWN, Severity.WARNING, 300, None, Unit.BOOLEAN),
    AlertRule(Alert.PROVIDER_DOWN, Severity.WARNING, 300, None, Unit.PROVIDERS),
    AlertRule(Alert.PROVIDER_DISSENT, Severity.WARNING, 120, None, Unit.PROVIDERS),
    AlertRule(Alert.HEADERS_REJECTED, Severity.WARNING, 0, 600, Unit.HEADERS),
    AlertRule(Alert.AT_BOUND, Severity.WARNING, 300, 900, Unit.RATIO),
    AlertRule(Alert.VAULT_UNREADABLE, Severity.WARNING, 300, None, Unit.BOOLEAN),
    AlertRule(Alert.JOURNAL_DEGRADED, Severity.WARNING, 60, None, Unit.BOOLEAN),
    AlertRule(Alert.JOURNAL_DEGRADED, Severity.CRITICAL, 0, 600, Unit.BOOLEAN),
    AlertRule(Alert.CLOCK_SKEW, Severity.WARNING, 120, None, Unit.SECONDS),
    AlertRule(Alert.OVERRIDE_ACTIVE, Severity.INFO, 3_600, None, Unit.BOOLEAN),
    AlertRule(Alert.WATCHDOG, Severity.NONE, 0, None, Unit.BOOLEAN),
)
"""In the order in which they are told. The second rule of `Down` is for some of several replicas; the second one of
`JournalDegraded` is for entries that are lost for good."""

FROM_OUTSIDE: Final = frozenset({Alert.DOWN, Alert.WATCHDOG})
"""What a process cannot tell of itself."""

AT_BOUND_SHARE: Final = (9, 10)
"""More quotes than this that a bound shaped, as a fraction of all."""

FIRST_RULES: Final = MappingProxyType({rule.alert: rule for rule in reversed(RULES)})
"""The rule of each alert; of two the first."""
LOST_ENTRIES_RULE: Final = next(
    rule for rule in RULES if rule.alert is Alert.JOURNAL_DEGRADED and rule.severity is Severity.CRITICAL
)


@dataclass(frozen=True, slots=True)
class AlertTiming:
    """The table's durations in whole units of time: seconds, unless there are more `units_per_second`.

    A `hurry` above 1 divides each of them.
    """

    units_per_second: int = 1
    hurry: int = 1

    def lasting(self, seconds: int) -> int:
        """So many of the table's seconds in units; at least one, where it is not 0."""
        return max(min(seconds, 1), seconds * self.units_per_second // self.hurry)

    def for_units(self, rule: AlertRule) -> int:
        """How long the condition has to hold."""
        return self.lasting(rule.for_seconds)

    def window_units(self, rule: AlertRule) -> int:
        """Over how long it looks; 0 where it looks at the moment."""
        return self.lasting(rule.window_seconds or 0)

    def seconds(self, units: int) -> Fraction:
        """Units as seconds."""
        return Fraction(units, self.units_per_second)


IN_SECONDS: Final = AlertTiming()
IN_MILLIS: Final = AlertTiming(units_per_second=MILLIS_PER_SECOND)
