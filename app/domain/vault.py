"""The fee vault: what it holds, what it should hold, and the deficit that the formula heals."""

from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction

from app.domain.units import BlockNumber, UnixSeconds, Wei, WeiDelta, rounded_ratio


class VaultSource(StrEnum):
    """Where the balance comes from."""

    NONE = "none"
    STATIC = "static"
    ONCHAIN = "onchain"
    PUSH = "push"


class VaultCondition(StrEnum):
    """How far the balance can be trusted."""

    CURRENT = "current"
    HELD = "held"
    """The last reading failed; the balance is the last known one."""
    EXPIRED = "expired"
    """Held for longer than the configured age."""


class VaultLayer(StrEnum):
    """The chain that an address of the vault is on."""

    L1 = "l1"
    L2 = "l2"


@dataclass(frozen=True, slots=True)
class VaultAddress:
    """An address whose balance counts; lower-case `0x` hex."""

    layer: VaultLayer
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultPlan:
    """What the settings say of the vault."""

    source: VaultSource = VaultSource.NONE
    balance: Wei | None = None
    """The static balance."""
    target: Wei | None = None
    addresses: tuple[VaultAddress, ...] = ()
    max_age_seconds: int = 600
    surplus_discount: bool = False


@dataclass(frozen=True, slots=True)
class VaultReading:
    """One address's balance, and the block it was read at."""

    layer: VaultLayer
    address: str
    block_number: BlockNumber
    balance: Wei


@dataclass(frozen=True, slots=True)
class VaultState:
    """The vault as a quote takes it. Without a source there is no balance, no target and no deficit.

    With a source there are a balance and a target: an unknown vault is no `VaultState`, and never a zero vault.
    """

    source: VaultSource
    balance: Wei | None = None
    target: Wei | None = None
    surplus_discount: bool = False
    condition: VaultCondition = VaultCondition.CURRENT
    observed_at: UnixSeconds | None = None
    """Timestamp of the L1 header that the balance belongs to."""
    readings: tuple[VaultReading, ...] = ()

    def __post_init__(self) -> None:
        if (self.balance is not None, self.target is not None) != (self.is_configured, self.is_configured):
            raise ValueError(f"a {self.source} vault with balance {self.balance} and target {self.target}")

    @property
    def is_configured(self) -> bool:
        """Whether there is a vault at all."""
        return self.source is not VaultSource.NONE

    @property
    def deficit(self) -> WeiDelta:
        """target − balance, in wei; negative is a surplus; 0 without a vault."""
        if self.balance is None or self.target is None:
            return WeiDelta(0)
        return WeiDelta(self.target - self.balance)

    @property
    def priced_deficit(self) -> WeiDelta:
        """The deficit that enters the formula: a surplus only where it is to give a discount."""
        return self.deficit if self.surplus_discount else WeiDelta(max(0, self.deficit))

    @property
    def deficit_ratio(self) -> Fraction | None:
        """deficit / target to six decimals; None without a target, or with a target of 0."""
        return None if self.balance is None else rounded_ratio(self.deficit, self.target)

    def held(self, now: UnixSeconds, max_age_seconds: int) -> "VaultState":
        """This state carried on to an L1 header of time `now` whose own reading failed."""
        too_old = self.observed_at is not None and now - self.observed_at > max_age_seconds
        return replace(self, condition=VaultCondition.EXPIRED if too_old else VaultCondition.HELD)


NO_VAULT = VaultState(VaultSource.NONE)
