"""What happens in one run, drawn from its seed: the set-up, and everything that goes wrong, by its moment."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from random import Random
from types import MappingProxyType
from typing import Final

from app.domain.parameters import Controller, Parameters
from app.domain.units import WeiPerGas
from app.domain.vault import VaultSource
from tests.simulation.providers import Ailment, Lie
from tests.simulation.world import GREATEST_MODE, SLOT_SECONDS

FAULTS_SECONDS: Final = 450
"""For so long things go wrong; what comes after is recovery."""
GREATEST_REORG: Final = 10
A_CROWD: Final = 3
"""From so many providers on, two have to agree."""
CATCHABLE: Final = (Lie.BASE_FEE, Lie.WRONG_CHAIN, Lie.GOING_BACK)
"""Lies that arithmetic and the chain id give away, so that a liar gains nothing even without a quorum."""
EVERY_LIE: Final = tuple(lie for lie in Lie if lie is not Lie.NONE)

PARAMETERS: Final = MappingProxyType(
    {
        "plain": Parameters(),
        "rate_limited": Parameters(max_fee_increase=Fraction(1, 20), max_fee_decrease=Fraction(1, 50)),
        "steep": Parameters(max_fee_increase=Fraction(1, 1000)),
        "legacy": Parameters(controller=Controller.LEGACY),
        "bounded": Parameters(min_fee=WeiPerGas(10**10), max_fee=WeiPerGas(12 * 10**9)),
    }
)


class StoreTrouble(StrEnum):
    """What a store does instead of its work."""

    NONE = "none"
    DOWN = "down"
    """Every call fails at once."""
    HANGING = "hanging"
    """Every call fails after its time is up."""
    SLOW = "slow"
    """Every call takes seconds, and succeeds."""
    FULL = "full"
    """What is read is there; nothing can be written."""
    FORGETFUL = "forgetful"
    """Every call is done, and fails all the same."""
    FLAKY = "flaky"
    """Every third call fails, half of those when they are done."""


@dataclass(frozen=True, slots=True)
class Mine:
    """A block."""


@dataclass(frozen=True, slots=True)
class Reorganise:
    """The newest blocks are replaced by as many others."""

    depth: int


@dataclass(frozen=True, slots=True)
class Return:
    """The branch that the last reorg left is the chain again."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Blocks are as full as this mode of the world has it."""

    mode: int


@dataclass(frozen=True, slots=True)
class Sicken:
    """Providers fall ill, or recover."""

    providers: tuple[int, ...]
    ailment: Ailment


@dataclass(frozen=True, slots=True)
class Drag:
    """A provider is late with blocks and answers."""

    provider: int
    lag: float
    latency: float


@dataclass(frozen=True, slots=True)
class Tell:
    """The liar tells another lie, or the truth."""

    lie: Lie


@dataclass(frozen=True, slots=True)
class Trouble:
    """The store is in trouble for some replicas, or is well again."""

    hosts: tuple[int, ...]
    trouble: StoreTrouble


@dataclass(frozen=True, slots=True)
class Skew:
    """A host's clock jumps."""

    host: int
    millis: int


@dataclass(frozen=True, slots=True)
class Kill:
    """A process dies where it stands."""

    host: int


@dataclass(frozen=True, slots=True)
class Stop:
    """A process is asked to end."""

    host: int


@dataclass(frozen=True, slots=True)
class Start:
    """A process is started, if it is not running."""

    host: int


@dataclass(frozen=True, slots=True)
class Push:
    """Somebody pushes a vault's balance."""

    host: int
    balance: int


@dataclass(frozen=True, slots=True)
class Change:
    """Somebody changes the parameters."""

    host: int
    base_fee_gwei: str


Action = (
    Mine | Reorganise | Return | Demand | Sicken | Drag | Tell | Trouble | Skew | Kill | Stop | Start | Push | Change
)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happens."""

    at: float
    """Seconds of the run."""
    action: Action


@dataclass(frozen=True, slots=True)
class Plan:
    """One run."""

    seed: int
    providers: int
    pushing: tuple[bool, ...]
    """Which providers push their heads."""
    replicas: int
    shared_store: bool
    parameters: str
    vault: VaultSource
    interval_seconds: float
    expects_chain: bool
    """Whether the settings name the chain id."""
    liar: int | None
    """Index of the provider that may lie."""
    lies: tuple[Lie, ...]
    events: tuple[Event, ...]

    @property
    def truth_prevails(self) -> bool:
        """Whether everything served must be true: three providers with a quorum of two, or lies that are caught."""
        return self.providers >= A_CROWD or all(lie in CATCHABLE for lie in self.lies)

    def __str__(self) -> str:
        lies = f"provider {self.liar} lies ({', '.join(self.lies)})" if self.lies else "nobody lies"
        return (
            f"seed {self.seed}: {self.providers} providers, {sum(self.pushing)} of them pushing, {lies}; "
            f"{self.replicas} replicas on "
            f"{'one store' if self.shared_store else 'stores of their own'}; {self.parameters} parameters, "
            f"{self.vault.value} vault, a poll every {self.interval_seconds:g} s"
        )


def plan_of(seed: int) -> Plan:
    """The run of `seed`; the same one every time."""
    dice = Random(f"plan {seed}")  # noqa: S311 - a run is to be repeatable
    providers = dice.choice((1, 2, 3, 3, 3))
    replicas = dice.choice((1, 1, 2))
    lies: tuple[Lie, ...] = ()
    liar = None
    if dice.random() < 2 / 3:
        liar = dice.randrange(providers)
        kinds = EVERY_LIE if providers >= A_CROWD or dice.random() < 1 / 3 else CATCHABLE
        lies = tuple(dice.sample(kinds, dice.randint(1, 2)))
    vault = dice.choice((VaultSource.NONE, VaultSource.ONCHAIN, VaultSource.PUSH))
    happenings = _Happenings(dice, providers, replicas, lies, vault)
    return Plan(
        seed=seed,
        providers=providers,
        pushing=tuple(dice.random() < 1 / 4 for _ in range(providers)),
        replicas=replicas,
        shared_store=dice.random() < 2 / 3,
        parameters=dice.choice(tuple(PARAMETERS)),
        vault=vault,
        interval_seconds=dice.choice((2.0, 3.0, 5.0)),
        expects_chain=dice.random() < 1 / 2 or bool(lies and providers < A_CROWD),
        liar=liar,
        lies=lies,
        events=_in_order((*_blocks(dice), *happenings.all())),
    )


def _in_order(events: Sequence[Event]) -> tuple[Event, ...]:
    """By time; what would end after the faults are over is ended then anyway."""
    return tuple(sorted((event for event in events if event.at < FAULTS_SECONDS), key=lambda event: event.at))


def _blocks(dice: Random) -> Iterator[Event]:
    """The chain's life: blocks, missed slots, outages, reorgs, waves of demand."""
    slot = 0
    while (start := slot * SLOT_SECONDS) < FAULTS_SECONDS:
        at = start + dice.uniform(0.5, 3)
        chance = dice.random()
        slot += 1
        if chance < 0.05:
            continue
        if chance < 0.065:
            slot += dice.randint(3, 25)
        elif chance < 0.10:
            yield Event(at, Reorganise(min(GREATEST_REORG, 1 + int(dice.expovariate(0.5)))))
        elif chance < 0.115:
            yield Event(at, Return())
        else:
            if chance < 0.16:
                yield Event(at, Demand(dice.randint(0, GREATEST_MODE)))
            yield Event(at, Mine())


@dataclass(frozen=True, slots=True)
class _Happenings:
    """Everything beside the chain's own life."""

    dice: Random
    providers: int
    replicas: int
    lies: Sequence[Lie]
    vault: VaultSource

    def all(self) -> Iterator[Event]:
        if self.vault is VaultSource.PUSH:
            yield Event(self.dice.uniform(5, 30), self._push())
        at = 0.0
        mean_pause = self.dice.choice((8, 20, 45))
        while (at := at + self.dice.expovariate(1 / mean_pause)) < FAULTS_SECONDS:
            yield from self._fault(at)

    def _fault(self, at: float) -> Iterator[Event]:
        ends = at + self.dice.choice((5, 15, 40, 90)) * self.dice.uniform(0.5, 1.5)
        kinds: list[Callable[[float, float], Iterator[Event]]]
        kinds = [self._illness, self._outage, self._drag, self._trouble, self._trouble, self._skew, self._death]
        kinds += [self._change] if self.dice.random() < 1 / 3 else []
        kinds += [self._lying] * 3 if self.lies else []
        kinds += [self._pushed] * 2 if self.vault is VaultSource.PUSH else []
        yield from self.dice.choice(kinds)(at, ends)

    def _illness(self, at: float, ends: float) -> Iterator[Event]:
        who = (self.dice.randrange(self.providers),)
        yield Event(at, Sicken(who, self.dice.choice([ailment for ailment in Ailment if ailment is not Ailment.NONE])))
        yield Event(ends, Sicken(who, Ailment.NONE))

    def _outage(self, at: float, ends: float) -> Iterator[Event]:
        everyone = tuple(range(self.providers))
        ailment = self.dice.choice((Ailment.TIMEOUT, Ailment.UNREACHABLE, Ailment.HTTP_STATUS, Ailment.FLAKY))
        yield Event(at, Sicken(everyone, ailment))
        yield Event(ends + self.dice.choice((0, 0, 200)), Sicken(everyone, Ailment.NONE))

    def _drag(self, at: float, ends: float) -> Iterator[Event]:
        who = self.dice.randrange(self.providers)
        yield Event(at, Drag(who, self.dice.choice((0.0, 2.0, 13.0, 40.0)), self.dice.choice((0.01, 0.3, 1.0))))
        yield Event(ends, Drag(who, 0.0, 0.05))

    def _lying(self, at: float, ends: float) -> Iterator[Event]:
        yield Event(at, Tell(self.dice.choice(self.lies)))
        yield Event(ends, Tell(Lie.NONE))

    def _trouble(self, at: float, ends: float) -> Iterator[Event]:
        hosts = tuple(range(self.replicas)) if self.dice.random() < 1 / 2 else (self.dice.randrange(self.replicas),)
        trouble = self.dice.choice([trouble for trouble in StoreTrouble if trouble is not StoreTrouble.NONE])
        yield Event(at, Trouble(hosts, trouble))
        yield Event(ends, Trouble(hosts, StoreTrouble.NONE))

    def _skew(self, at: float, ends: float) -> Iterator[Event]:
        host = self.dice.randrange(self.replicas)
        yield Event(at, Skew(host, self.dice.choice((-1, 1)) * self.dice.choice((900, 20_000, 90_000, 3_600_000))))
        yield Event(ends, Skew(host, 0))

    def _death(self, at: float, ends: float) -> Iterator[Event]:
        host = self.dice.randrange(self.replicas)
        yield Event(at, Kill(host) if self.dice.random() < 3 / 4 else Stop(host))
        yield Event(at + self.dice.choice((0.1, 1, ends - at)), Start(host))

    def _pushed(self, at: float, ends: float) -> Iterator[Event]:  # noqa: ARG002 - as the others
        yield Event(at, self._push())

    def _change(self, at: float, ends: float) -> Iterator[Event]:  # noqa: ARG002 - as the others
        yield Event(at, Change(self.dice.randrange(self.replicas), self.dice.choice(("0", "1.5", "2.25"))))

    def _push(self) -> Push:
        return Push(self.dice.randrange(self.replicas), self.dice.randrange(200) * 10**18)
