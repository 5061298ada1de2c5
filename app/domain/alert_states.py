"""What is said of an alert at a moment, and conditions that hold or not for each of several subjects."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Final, NamedTuple

from app.domain.alert_table import AlertRule
from app.domain.units import UnixMillis

Amount = int | Fraction


class AlertState(StrEnum):
    """What an alert does."""

    OK = "ok"
    PENDING = "pending"
    """Its condition holds, and not for long enough yet."""
    FIRING = "firing"
    UNSATISFIABLE = "unsatisfiable"
    """The parameters alone exceed the upper threshold at an L1 price of the window, so that side tells nothing; the
    lower one is kept."""
    UNKNOWN = "unknown"
    """There is too little to judge by, or nothing to judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertStatus:
    """One alert at a moment."""

    rule: AlertRule
    state: AlertState
    since: UnixMillis | None = None
    """Since when the condition holds; None where it does not."""
    value: Amount | None = None
    least: Amount | None = None
    """The lower threshold; None where there is none."""
    greatest: Amount | None = None
    """The upper threshold; None where there is none."""
    subjects: tuple[str, ...] = ()
    """For which providers, reasons or thresholds it holds."""
    detail: str | None = None
    """Why the state is unknown or unsatisfiable, or what there is to say beside the value."""


@dataclass(frozen=True, slots=True)
class AlertReport:
    """Every alert that the process can tell of itself, at one moment."""

    at: UnixMillis
    statuses: tuple[AlertStatus, ...]


class Instant(NamedTuple):
    """A moment by both clocks, in milliseconds. Durations go by the one that is never set."""

    wall: int
    monotonic: int


class Standing(NamedTuple):
    """What the worst of several conditions does."""

    state: AlertState
    since: UnixMillis | None
    subjects: tuple[str, ...]


QUIET: Final = Standing(AlertState.OK, None, ())


class Conditions:
    """Conditions by their subjects: since when each of them holds."""

    def __init__(self) -> None:
        self._began: dict[str, Instant] = {}

    @property
    def count(self) -> int:
        """For how many subjects a condition holds."""
        return len(self._began)

    def judge(self, subject: str, now: Instant, *, holds: bool, since: int | None = None) -> None:
        """Take a judgement. `since` is the wall-clock time at which it began to hold, where that is known."""
        if not holds:
            self._began.pop(subject, None)
        elif subject not in self._began:
            began = now.wall if since is None else min(since, now.wall)
            self._began[subject] = Instant(began, now.monotonic - (now.wall - began))

    def keep(self, subjects: Iterable[str]) -> None:
        """End the conditions of every other subject."""
        kept = set(subjects)
        self._began = {subject: began for subject, began in self._began.items() if subject in kept}

    def standing(self, now: Instant, for_millis: int) -> Standing:
        """The worst state, the first time since which it holds for one of those in it, and who they are."""
        fired = {
            subject: began for subject, began in self._began.items() if now.monotonic - began.monotonic >= for_millis
        }
        worst = fired or self._began
        if not worst:
            return QUIET
        state = AlertState.FIRING if fired else AlertState.PENDING
        return Standing(state, UnixMillis(min(began.wall for began in worst.values())), tuple(sorted(worst)))
