"""Parameters with their provenance, and the names and texts by which people read and change them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final

from app.domain.errors import InvalidValueError
from app.domain.parameters import GREATEST_MAX_FEE, PRESETS, Controller, Parameters, Preset
from app.domain.units import decimal_text, exact_ratio, gwei_text, wei_from_gwei

ParameterText = str | int | None
"""A parameter as JSON shows it."""


class ParameterSource(StrEnum):
    """Who set a parameter; a later one in this order wins."""

    DEFAULT = "default"
    PRESET = "preset"
    ENVIRONMENT = "environment"
    OVERRIDE = "override"


@dataclass(frozen=True, slots=True)
class ParameterKey:
    """One parameter: its JSON key, its field in `Parameters`, and how its value is read and written."""

    key: str
    attribute: str
    read: Callable[[str, object], Any]
    write: Callable[[Any], ParameterText]
    nullable: bool = False


def _read_ratio(name: str, value: object) -> Fraction:
    if not isinstance(value, str):
        raise InvalidValueError(name, value, 'a decimal string such as "0.18"')
    return exact_ratio(value, name)


def _read_gwei(name: str, value: object) -> int:
    if not isinstance(value, str):
        raise InvalidValueError(name, value, 'a decimal string in gwei such as "1.5"')
    return wei_from_gwei(value, name)


def _read_count(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidValueError(name, value, "a whole number such as 72")
    return value


def _read_controller(name: str, value: object) -> Controller:
    if value not in tuple(Controller):
        raise InvalidValueError(name, value, " or ".join(Controller))
    return Controller(str(value))


def _read_preset(name: str, value: object) -> Preset:
    if value not in tuple(Preset):
        raise InvalidValueError(name, value, ", ".join(Preset))
    return Preset(str(value))


PARAMETER_KEYS: Final = (
    ParameterKey("controller", "controller", _read_controller, str),
    ParameterKey("alphaData", "alpha_data", _read_ratio, decimal_text),
    ParameterKey("deficitWeight", "deficit_weight", _read_ratio, decimal_text),
    ParameterKey("horizonBatches", "horizon_batches", _read_count, int),
    ParameterKey("baseFeeGwei", "base_fee", _read_gwei, gwei_text),
    ParameterKey("l2GasPerBatch", "l2_gas_per_batch", _read_count, int),
    ParameterKey("proofGasPerBatch", "proof_gas_per_batch", _read_count, int),
    ParameterKey("minFeeGwei", "min_fee", _read_gwei, gwei_text),
    ParameterKey("maxFeeGwei", "max_fee", _read_gwei, gwei_text),
    ParameterKey("maxFeeIncrease", "max_fee_increase", _read_ratio, decimal_text, nullable=True),
    ParameterKey("maxFeeDecrease", "max_fee_decrease", _read_ratio, decimal_text, nullable=True),
)
_BY_KEY: Final = MappingProxyType({entry.key: entry for entry in PARAMETER_KEYS})
_KEYS_OF_PRESET: Final = ("alphaData", "deficitWeight", "horizonBatches")
_LEGACY_ALONE: Final[Mapping[str, Callable[[Parameters], Fraction]]] = MappingProxyType(
    {"legacyMu": lambda chosen: chosen.legacy_mu, "legacySmoothing": lambda chosen: chosen.legacy_smoothing}
)
_WIDEST_BOUNDS: Final = MappingProxyType({"minFeeGwei": "0", "maxFeeGwei": gwei_text(GREATEST_MAX_FEE)})
"""In place of a bound that is refused, so that the other one is judged for itself."""
PRESET_KEY: Final = "preset"
DEFAULT_PRESET: Final = Preset.PRODUCTION
"""Its values are the defaults of `Parameters`."""


@dataclass(frozen=True, slots=True)
class ParameterSet:
    """The parameters in force, the preset they started from, and where each value comes from."""

    parameters: Parameters = field(default_factory=Parameters)
    preset: Preset = DEFAULT_PRESET
    sources: Mapping[str, ParameterSource] = field(
        default_factory=lambda: MappingProxyType(dict.fromkeys((PRESET_KEY, *_BY_KEY), ParameterSource.DEFAULT))
    )

    def changed(
        self,
        changes: Mapping[str, object],
        source: ParameterSource = ParameterSource.OVERRIDE,
        fallback: "ParameterSet | None" = None,
    ) -> "ParameterSet":
        """This set with `changes`, by JSON key: a preset first, then the other keys over it.

        None unsets. A rate limit becomes no limit, which is what null means wherever a limit is shown. Any other key
        goes back to what `fallback` has, the defaults unless told otherwise: `preset` with its α, ν and H, and one of
        those three alone to a preset that was put over the fallback's.
        Raises `InvalidValueError`, which names the key, for an unknown key or a value that is not allowed; then
        nothing has changed.
        """
        for unknown in _unknown_keys(changes):
            raise unknown
        fallback = fallback or ParameterSet()
        base = self
        if PRESET_KEY in changes:
            chosen = changes[PRESET_KEY]
            base = self._based_on(
                fallback if chosen is None else _of_preset(_read_preset(PRESET_KEY, chosen), source),
            )
        values: dict[str, object] = {}
        sources = dict(base.sources)
        for key, value in changes.items():
            if key == PRESET_KEY:
                continue
            entry = _BY_KEY[key]
            if value is None:
                values[entry.attribute], sources[key] = _unset(base, entry, source, fallback)
            else:
                values[entry.attribute], sources[key] = entry.read(key, value), source
        return ParameterSet(replace(base.parameters, **values), base.preset, MappingProxyType(sources))  # type: ignore[arg-type]

    def problems(
        self, changes: Mapping[str, object], fallback: "ParameterSet | None" = None
    ) -> tuple[InvalidValueError, ...]:
        """Every reason for which `changed` refuses `changes`; none that only follows from another one."""
        found = list(_unknown_keys(changes))
        left = {key: value for key, value in changes.items() if key == PRESET_KEY or key in _BY_KEY}
        while (refusal := self._refusal(left, fallback)) is not None:
            found.append(refusal)
            left.pop(refusal.name, None)
            if refusal.name in _WIDEST_BOUNDS:
                left[refusal.name] = _WIDEST_BOUNDS[refusal.name]
        return tuple(found)

    @property
    def is_overridden(self) -> bool:
        """Whether somebody has set any of them over what the environment asks for."""
        return ParameterSource.OVERRIDE in self.sources.values()

    def texts(self) -> dict[str, ParameterText]:
        """Every parameter by its JSON key: ratios and gwei as decimal strings, gas and batches as integers."""
        return {PRESET_KEY: self.preset.value} | parameter_texts(self.parameters)

    def _based_on(self, other: "ParameterSet") -> "ParameterSet":
        """This set with the preset of `other`, and with its α, ν and H."""
        theirs = other.parameters
        parameters = replace(
            self.parameters,
            alpha_data=theirs.alpha_data,
            deficit_weight=theirs.deficit_weight,
            horizon_batches=theirs.horizon_batches,
        )
        sources = {key: other.sources[key] for key in (PRESET_KEY, *_KEYS_OF_PRESET)}
        return ParameterSet(parameters, other.preset, MappingProxyType({**self.sources, **sources}))

    def _refusal(self, changes: Mapping[str, object], fallback: "ParameterSet | None") -> InvalidValueError | None:
        try:
            self.changed(changes, fallback=fallback)
        except InvalidValueError as error:
            return error
        return None


@dataclass(frozen=True, slots=True)
class Difference:
    """One parameter that another set has otherwise: its value, or only who set it."""

    key: str
    old: ParameterText
    old_source: ParameterSource
    new: ParameterText
    new_source: ParameterSource


def differences(before: ParameterSet, after: ParameterSet) -> tuple[Difference, ...]:
    """What is otherwise in `after`, in the order in which parameters are shown.

    What only the environment can set, for the legacy formula, comes last.
    """
    old, new = before.texts(), after.texts()
    found = [Difference(key, old[key], before.sources[key], new[key], after.sources[key]) for key in new]
    for key, read in _LEGACY_ALONE.items():
        told = [(decimal_text(read(chosen.parameters)), _legacy_source(read, chosen)) for chosen in (before, after)]
        found.append(Difference(key, *told[0], *told[1]))
    return tuple(each for each in found if (each.old, each.old_source) != (each.new, each.new_source))


def _legacy_source(read: Callable[[Parameters], Fraction], chosen: ParameterSet) -> ParameterSource:
    is_default = read(chosen.parameters) == read(Parameters())
    return ParameterSource.DEFAULT if is_default else ParameterSource.ENVIRONMENT


def _of_preset(preset: Preset, source: ParameterSource) -> ParameterSet:
    """The defaults with `preset`, which `source` chose."""
    chosen = PRESETS[preset]
    provenance = ParameterSource.PRESET if source is ParameterSource.ENVIRONMENT else source
    original = ParameterSet()
    return ParameterSet(
        replace(
            original.parameters,
            alpha_data=chosen.alpha_data,
            deficit_weight=chosen.deficit_weight,
            horizon_batches=chosen.horizon_batches,
        ),
        preset,
        MappingProxyType({**original.sources, **dict.fromkeys(_KEYS_OF_PRESET, provenance), PRESET_KEY: source}),
    )


def _unset(
    base: ParameterSet, entry: ParameterKey, source: ParameterSource, fallback: ParameterSet
) -> tuple[object, ParameterSource]:
    """What `entry` of `base` is without a value of its own, and where that comes from."""
    if entry.key in _KEYS_OF_PRESET and base.sources[PRESET_KEY] is not fallback.sources[PRESET_KEY]:
        fallback = _of_preset(base.preset, base.sources[PRESET_KEY])
    value = getattr(fallback.parameters, entry.attribute)
    if entry.nullable and value is not None:
        return None, source
    return value, fallback.sources[entry.key]


def _unknown_keys(changes: Mapping[str, object]) -> Iterator[InvalidValueError]:
    for key, value in changes.items():
        if key != PRESET_KEY and key not in _BY_KEY:
            yield InvalidValueError(key, value, f"one of {', '.join((PRESET_KEY, *_BY_KEY))}")


def parameter_texts(parameters: Parameters) -> dict[str, ParameterText]:
    """The values of `parameters` by JSON key, as texts and integers; None where unset."""
    texts: dict[str, ParameterText] = {}
    for entry in PARAMETER_KEYS:
        value = getattr(parameters, entry.attribute)
        texts[entry.key] = None if value is None else entry.write(value)
    return texts
