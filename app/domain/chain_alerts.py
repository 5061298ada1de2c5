"""The alerts that follow from the priced blocks alone: windows along the canonical chain, judged up to a moment.

They are a function of the chain and the moment. Each block is judged at its header's time; between two blocks the last
one's values hold, and are judged at fixed distances from it. So a start that folds the journal comes to the same states
as a process that never ended, and a block on another branch goes on from its own parent's.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from typing import Final

from app.domain.advance import REORG_WINDOW_BLOCKS
from app.domain.alert_states import AlertState, AlertStatus, Amount
from app.domain.alert_table import AT_BOUND_SHARE, FIRST_RULES, Alert, AlertRule, AlertTiming
from app.domain.alert_windows import EconomicAlert, EconomicAlerts, Held, SumWindow
from app.domain.alerts import AlertThresholds, OverSides
from app.domain.formula import Bound, FeeFormula
from app.domain.quote import Quote
from app.domain.units import MILLIS_PER_SECOND, UnixMillis, decimal_text, gwei_text, rounded_ratio

JUDGED_EVERY_SECONDS: Final = 12
"""A slot: where one is missed, the last block's values are judged in its place."""
_MOST_JUDGED_WAITING: Final = 75
"""A quarter of an hour of slots: longer than any quote is served."""
_NO_BLOCK: Final = "no block has been priced yet"
_NO_VAULT: Final = "no vault is configured"

CHAIN_ALERTS: Final = (
    *(Alert(alert.value) for alert in EconomicAlert),
    Alert.THRESHOLDS_UNSATISFIABLE,
    Alert.AT_BOUND,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedBlock:
    """What the alerts look at of a block and its quote. Prices in wei per gas, amounts in wei."""

    number: int
    block_hash: str
    parent_hash: str
    timestamp: int
    """Unix seconds."""
    interval_seconds: int
    base_fee: int
    fee: int
    bound: Bound
    revenue: int
    """Of a batch."""
    cost: int
    """Of a batch."""
    deficit: int
    target: int | None
    """The vault's; None without a vault."""
    formula: FeeFormula

    @classmethod
    def of(cls, quote: Quote) -> "PricedBlock":
        """What is looked at of `quote`."""
        header = quote.header
        return cls(
            number=header.number,
            block_hash=header.hash,
            parent_hash=header.parent_hash,
            timestamp=header.timestamp,
            interval_seconds=quote.block_interval_seconds,
            base_fee=header.base_fee_per_gas,
            fee=quote.price.fee,
            bound=quote.price.bound,
            revenue=quote.batch_revenue,
            cost=quote.batch_cost,
            deficit=quote.vault.deficit,
            target=quote.vault.target,
            formula=quote.formula,
        )


class _Judged:
    """The windows and conditions after a block, and after waiting for the next one."""

    def __init__(self, rules: "ChainRules", block: PricedBlock) -> None:
        self._rules = rules
        self.block = block
        self.at = rules.units(block.timestamp)
        """The block's time, in units; never before that of the block before it."""
        self._waited = 0
        self.economics = EconomicAlerts(rules.thresholds, block.formula, block.target, rules.timing, rules.environment)
        self._bounds = SumWindow(rules.timing.window_units(FIRST_RULES[Alert.AT_BOUND]))
        self.bounds: tuple[int, int] | None = None
        """Quotes that a bound shaped, and quotes; None where too little of the window is known."""
        self.at_bound = Held(rules.timing.for_units(FIRST_RULES[Alert.AT_BOUND]))
        unsatisfiable = rules.timing.for_units(FIRST_RULES[Alert.THRESHOLDS_UNSATISFIABLE])
        self.hopeless = (Held(unsatisfiable), Held(unsatisfiable))
        """Of the fee and of the recovery: whether the parameters alone exceed the upper threshold."""
        self.over_sides = OverSides(fee=True, recovery=True)
        """Which upper thresholds the parameters alone keep at this L1 price."""
        self._take(block)

    def copy(self) -> "_Judged":
        twin = object.__new__(_Judged)
        twin.__dict__.update(self.__dict__)
        twin.economics, twin._bounds = self.economics.copy(), self._bounds.copy()
        twin.at_bound = replace(self.at_bound)
        twin.hopeless = (replace(self.hopeless[0]), replace(self.hopeless[1]))
        return twin

    def followed_by(self, block: PricedBlock) -> "_Judged":
        """What comes of the next block. What lies between two heights that do not follow each other is not known."""
        after, rules = self.copy(), self._rules
        at = max(self.at, rules.units(block.timestamp))
        known_until = at
        if block.number != self.block.number + 1:
            known_until = min(at, self.at + rules.units(self.block.interval_seconds))
        after.wait_until(known_until - 1)
        after.go_on(block, at, known_until)
        return after

    def wait_until(self, now: int) -> None:
        """Judge what holds while no further block comes, up to `now`."""
        step = self._rules.step
        steps = min((now - self.at) // step, _MOST_JUDGED_WAITING)
        while self._waited < steps:
            self._waited += 1
            self._judge(self.at + self._waited * step, 0, 0, (0, 0))

    def go_on(self, block: PricedBlock, at: int, known_until: int) -> None:
        """Take the next block, before which nothing is known from `known_until` on."""
        economics, before = self.economics, self.block
        if known_until < at:
            economics.interrupt(known_until, at)
            self._bounds.interrupt(known_until, at)
            if at - known_until > self._rules.expiry:
                self._end_all(known_until)
        if block.target != before.target or block.formula.parameters != before.formula.parameters:
            economics.switch(at, block.formula, block.target)
        self.block, self.at, self._waited = block, at, 0
        self._take(block)

    def _take(self, block: PricedBlock) -> None:
        self.over_sides = self.economics.over_sides(block.base_fee)
        self._judge(self.at, block.revenue, block.cost, (int(block.bound is not Bound.NONE), 1))

    def _judge(self, at: int, revenue: int, cost: int, quotes: tuple[int, int]) -> None:
        block, economics = self.block, self.economics
        is_underfunded = economics.is_underfunded(block.deficit)
        economics.put(at, block.base_fee, block.fee, revenue, cost, is_underfunded=is_underfunded)
        self.bounds = self._bounds.put(at, *quotes)
        numerator, denominator = AT_BOUND_SHARE
        self.at_bound.judge(
            at, holds=self.bounds is not None and self.bounds[0] * denominator > self.bounds[1] * numerator
        )
        for held, is_kept in zip(self.hopeless, (self.over_sides.fee, self.over_sides.recovery), strict=True):
            held.judge(at, holds=not is_kept)

    def _end_all(self, at: int) -> None:
        """Nobody knows what held meanwhile."""
        for held in (*self.economics.conditions.values(), self.at_bound, *self.hopeless):
            held.judge(at, holds=False)


@dataclass(frozen=True, slots=True)
class ChainRules:
    """What the blocks are judged by. `timing` is in milliseconds."""

    thresholds: AlertThresholds
    timing: AlertTiming
    expires_after_seconds: int
    """Past this age of the newest block nothing is said any more."""
    environment: FeeFormula | None = None
    """What the settings ask for; None where nothing can be set over it."""

    def limits(self, alert: Alert) -> tuple[Amount | None, Amount | None]:
        """The lower and the upper threshold of an alert; None where there is none."""
        limits = self.thresholds
        by_alert: dict[Alert, tuple[Amount | None, Amount | None]] = {
            Alert.FEE_OUT_OF_RANGE: (int(limits.fee_min), int(limits.fee_max)),
            Alert.COST_RECOVERY_DRIFT: (limits.recovery_low, limits.recovery_high),
            Alert.COST_RECOVERY_LOSS: (limits.recovery_min, None),
            Alert.VAULT_DEFICIT: (None, limits.vault_deficit),
            Alert.VAULT_UNDERFUNDED: (None, limits.underfunded_share),
            Alert.THRESHOLDS_UNSATISFIABLE: (None, 0),
            Alert.AT_BOUND: (None, Fraction(*AT_BOUND_SHARE)),
        }
        return by_alert[alert]

    @property
    def step(self) -> int:
        """From one judgement to the next while no block comes, in units."""
        return self.timing.lasting(JUDGED_EVERY_SECONDS)

    @property
    def expiry(self) -> int:
        """`expires_after_seconds` in units."""
        return self.units(self.expires_after_seconds)

    def units(self, seconds: int) -> int:
        """So many seconds of the world, in which no hurry is."""
        return seconds * self.timing.units_per_second

    def millis(self, units: int) -> UnixMillis:
        """A time as the clock tells it."""
        return UnixMillis(units * MILLIS_PER_SECOND // self.timing.units_per_second)


class ChainAlerts:
    """The alerts along the chain whose newest block came last.

    What the last blocks made of the windows is kept by their hashes, those of abandoned branches too.
    """

    def __init__(self, rules: ChainRules) -> None:
        self._rules = rules
        self._after: dict[str, _Judged] = {}
        self._tip: str | None = None
        self._waiting: _Judged | None = None
        """What the newest block made of them, and the time since."""

    @property
    def newest(self) -> PricedBlock | None:
        """The newest block."""
        return None if self._tip is None else self._after[self._tip].block

    @property
    def held(self) -> tuple[PricedBlock, ...]:
        """The last blocks of all branches, the newest one last."""
        return tuple(judged.block for judged in self._after.values())

    def follow(self, block: PricedBlock) -> bool:
        """Take the newest block, or another quote for one of the last ones.

        False where its parent is not held, though others are: the journal may tell more of what lies between.
        """
        before = self._before(block)
        is_joined = block.parent_hash in self._after or not self._after
        judged = _Judged(self._rules, block) if before is None else before.followed_by(block)
        if block.block_hash in self._after:
            self._after[block.block_hash] = judged
            self._judge_again_after(block.block_hash)
            del self._after[block.block_hash]
        self._after[block.block_hash] = judged
        self._tip, self._waiting = block.block_hash, None
        surplus = len(self._after) - REORG_WINDOW_BLOCKS
        if surplus > 0:
            self._after = dict(islice(self._after.items(), surplus, None))
        return is_joined

    def statuses(self, now: UnixMillis) -> dict[Alert, AlertStatus]:
        """What is said of each at `now`."""
        if self._tip is None:
            return unknown_chain_alerts(self._rules, _NO_BLOCK)
        if self._waiting is None:
            self._waiting = self._after[self._tip].copy()
        waiting, rules = self._waiting, self._rules
        units = max(waiting.at, now * rules.timing.units_per_second // MILLIS_PER_SECOND)
        waiting.wait_until(units)
        if units - waiting.at > rules.expiry:
            return unknown_chain_alerts(
                rules,
                f"the newest block is older than {rules.expires_after_seconds} s (TAIKO_QUOTE_EXPIRES_AFTER_SECONDS)",
            )
        return _Verdicts(rules, waiting, units).all()

    def _before(self, block: PricedBlock) -> _Judged | None:
        """The block's parent, or the newest one below it on the chain that is held."""
        parent = self._after.get(block.parent_hash)
        below = None if self._tip is None else self._after[self._tip]
        while parent is None and below is not None:
            if below.block.number < block.number:
                return below
            below = self._after.get(below.block.parent_hash)
        return parent

    def _judge_again_after(self, block_hash: str) -> None:
        changed = {block_hash}
        for key, judged in self._after.items():
            if judged.block.parent_hash in changed:
                changed.add(key)
                self._after[key] = self._after[judged.block.parent_hash].followed_by(judged.block)


def canonical(newest: PricedBlock, blocks: Iterable[PricedBlock]) -> Sequence[PricedBlock]:
    """The chain up to `newest`, oldest first, out of `blocks` of all branches.

    It goes from each block to its parent; where that is missing, or not lower, to the one below that came last.
    """
    by_hash = {block.block_hash: block for block in blocks}
    by_height = {block.number: block for block in by_hash.values()}
    heights = sorted(by_height)
    chain: list[PricedBlock] = []
    current: PricedBlock | None = newest
    while current is not None:
        chain.append(current)
        while heights and heights[-1] >= current.number:
            heights.pop()
        below = by_height[heights[-1]] if heights else None
        parent = by_hash.get(current.parent_hash)
        current = parent if parent is not None and parent.number < current.number else below
    return chain[::-1]


def unknown_chain_alerts(rules: ChainRules, why: str) -> dict[Alert, AlertStatus]:
    """Nothing is known of any of them."""
    return {alert: _unknown(rules, alert, why) for alert in CHAIN_ALERTS}


class _Verdicts:
    """What the windows and conditions say at a moment."""

    def __init__(self, rules: ChainRules, judged: _Judged, at: int) -> None:
        self._rules = rules
        self._judged = judged
        self._at = at

    def all(self) -> dict[Alert, AlertStatus]:
        return {
            Alert.FEE_OUT_OF_RANGE: self._fee(),
            Alert.COST_RECOVERY_DRIFT: self._drift(),
            Alert.COST_RECOVERY_LOSS: self._loss(),
            Alert.VAULT_DEFICIT: self._deficit(),
            Alert.VAULT_UNDERFUNDED: self._underfunded(),
            Alert.THRESHOLDS_UNSATISFIABLE: self._unsatisfiable(),
            Alert.AT_BOUND: self._at_bound(),
        }

    def _fee(self) -> AlertStatus:
        limits, economics = self._rules.thresholds, self._judged.economics
        return self._windowed(
            Alert.FEE_OUT_OF_RANGE,
            economics.conditions[EconomicAlert.FEE_OUT_OF_RANGE],
            economics.average_fee,
            value=lambda fee_seconds, seconds: round(Fraction(fee_seconds, seconds)),
            hopeless=None
            if economics.is_fee_judged_above
            else f"the parameters alone put the fee above {gwei_text(limits.fee_max)} gwei within the window",
        )

    def _drift(self) -> AlertStatus:
        limits, economics = self._rules.thresholds, self._judged.economics
        return self._windowed(
            Alert.COST_RECOVERY_DRIFT,
            economics.conditions[EconomicAlert.COST_RECOVERY_DRIFT],
            economics.recovery,
            hopeless=None
            if economics.is_recovery_judged_above
            else f"the parameters alone put recovery above {decimal_text(limits.recovery_high)} within the window",
        )

    def _loss(self) -> AlertStatus:
        economics = self._judged.economics
        return self._windowed(
            Alert.COST_RECOVERY_LOSS, economics.conditions[EconomicAlert.COST_RECOVERY_LOSS], economics.recovery
        )

    def _deficit(self) -> AlertStatus:
        block = self._judged.block
        if block.target is None:
            return _unknown(self._rules, Alert.VAULT_DEFICIT, _NO_VAULT)
        return self._told(
            Alert.VAULT_DEFICIT,
            self._judged.economics.conditions[EconomicAlert.VAULT_DEFICIT],
            rounded_ratio(block.deficit, block.target),
        )

    def _underfunded(self) -> AlertStatus:
        economics = self._judged.economics
        if self._judged.block.target is None:
            return _unknown(self._rules, Alert.VAULT_UNDERFUNDED, _NO_VAULT)
        return self._windowed(
            Alert.VAULT_UNDERFUNDED,
            economics.conditions[EconomicAlert.VAULT_UNDERFUNDED],
            economics.underfunded_time,
        )

    def _at_bound(self) -> AlertStatus:
        return self._windowed(Alert.AT_BOUND, self._judged.at_bound, self._judged.bounds)

    def _unsatisfiable(self) -> AlertStatus:
        rule = FIRST_RULES[Alert.THRESHOLDS_UNSATISFIABLE]
        names = (Alert.FEE_OUT_OF_RANGE.short_name, Alert.COST_RECOVERY_DRIFT.short_name)
        held = {name: held for name, held in zip(names, self._judged.hopeless, strict=True) if held.since is not None}
        fired = {name: each for name, each in held.items() if self._state(rule, each) is AlertState.FIRING}
        worst = fired or held
        since = [each.since for each in worst.values() if each.since is not None]
        quiet = AlertState.OK if not held else AlertState.PENDING
        return AlertStatus(
            rule=rule,
            state=AlertState.FIRING if fired else quiet,
            since=self._rules.millis(min(since)) if since else None,
            value=len(held),
            greatest=0,
            subjects=tuple(sorted(worst)),
        )

    def _windowed(
        self,
        alert: Alert,
        held: Held,
        sums: tuple[int, int] | None,
        *,
        value: Callable[[int, int], Amount | None] = rounded_ratio,
        hopeless: str | None = None,
    ) -> AlertStatus:
        """`value` makes of the window's `sums` what is compared; None for too little of the window."""
        status = self._told(alert, held, None if sums is None else value(*sums))
        if sums is None:
            window = self._rules.timing.seconds(self._rules.timing.window_units(status.rule))
            detail = f"less than nine tenths of the last {decimal_text(window)} s are known"
            return replace(status, state=AlertState.UNKNOWN, detail=detail)
        if hopeless is not None and status.state is AlertState.OK:
            return replace(status, state=AlertState.UNSATISFIABLE, detail=hopeless)
        return status

    def _told(self, alert: Alert, held: Held, value: Amount | None) -> AlertStatus:
        rule, limits = FIRST_RULES[alert], self._rules.limits(alert)
        return AlertStatus(
            rule=rule,
            state=self._state(rule, held),
            since=None if held.since is None else self._rules.millis(held.since),
            value=value,
            least=limits[0],
            greatest=limits[1],
        )

    def _state(self, rule: AlertRule, held: Held) -> AlertState:
        if held.since is None:
            return AlertState.OK
        has_lasted = self._at - held.since >= self._rules.timing.for_units(rule)
        return AlertState.FIRING if has_lasted else AlertState.PENDING


def _unknown(rules: ChainRules, alert: Alert, why: str) -> AlertStatus:
    least, greatest = rules.limits(alert)
    return AlertStatus(rule=FIRST_RULES[alert], state=AlertState.UNKNOWN, least=least, greatest=greatest, detail=why)
