"""What requests may carry by their schemas, and what is read: the same."""

import re
from collections.abc import Mapping
from typing import Any, Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.api.administration import report_of
from app.api.openapi import components
from app.api.problems import ProblemError
from app.api.requests import number_of
from app.api.shapes.wire import BALANCE_TEXT, DEFICIT_TEXT, GWEI_TEXT, RATIO_TEXT, SHARE_TEXT
from app.api.what_if import what_if_of
from app.domain.parameter_set import ParameterSet

DIGITS: Final = st.text("019", min_size=0, max_size=42)
NUMBERS: Final = st.one_of(
    st.builds("{}{}{}{}".format, st.sampled_from(["", "+", "-"]), DIGITS, st.sampled_from(["", "."]), DIGITS),
    st.builds("{}{}".format, st.sampled_from(["", "+", "-", "000"]), st.integers(0, 10**31)),
    *(st.from_regex(pattern) for pattern in (BALANCE_TEXT, DEFICIT_TEXT, GWEI_TEXT, RATIO_TEXT, SHARE_TEXT)),
    st.sampled_from(["9007199", "9007199.0", "9007199.000000001", "9007198.999999999", "9007200", "1", "1.0", "1.1",
                     "1.5000000000", "0.0000000001", "-0", "-0.0", "-0.1", "", "-", ".5", "5.", "1e3", "٣", "1\n"]),
)  # fmt: skip


def schemas_of(name: str) -> Mapping[str, Any]:
    properties: Mapping[str, Any] = components()["schemas"][name]["properties"]
    return properties


CHANGES: Final = schemas_of("ParameterChanges")
TEXTS: Final = sorted(
    key for key, schema in CHANGES.items() if any("pattern" in choice for choice in schema.get("anyOf", ()))
)


def fits(text: str, schema: Mapping[str, Any]) -> bool:
    """Whether one of the schema's texts is `text`, by ECMA-262, where `$` is the very end."""
    choices = [choice for choice in schema["anyOf"] if "pattern" in choice]
    return any(
        all(
            re.search(pattern["pattern"].replace("$", r"\Z"), text, re.ASCII)
            for pattern in (choice, *choice.get("allOf", ()))
        )
        for choice in choices
    )


def is_taken(body: dict[str, object]) -> bool:
    try:
        what_if_of(body, ParameterSet(), ParameterSet())
    except ProblemError:
        return False
    return True


def test_every_ratio_and_price_says_what_it_takes() -> None:
    assert TEXTS == [
        "alphaData", "baseFeeGwei", "deficitWeight", "maxFeeDecrease", "maxFeeGwei", "maxFeeIncrease", "minFeeGwei",
    ]  # fmt: skip


@pytest.mark.parametrize("key", TEXTS)
@given(text=NUMBERS)
def test_a_parameters_schema_is_what_is_read(key: str, text: str) -> None:
    zeros = sum(len(side) - len(side.lstrip("0")) for side in text.lstrip("+-").split("."))
    assume(zeros < 34)  # 34 to 39 zeros before a short number of gwei are read, and not worth a longer pattern
    alone = {"minFeeGwei": {"maxFeeGwei": "9007199"}, "maxFeeGwei": {"minFeeGwei": "0"}}.get(key, {})
    assert is_taken({"parameters": {**alone, key: text}}) == fits(text, CHANGES[key])


@given(NUMBERS)
def test_a_deficits_schema_is_what_is_read(text: str) -> None:
    assert is_taken({"deficitWei": text}) == fits(text, schemas_of("WhatIfRequest")["deficitWei"])


@given(NUMBERS)
def test_a_balances_schema_is_what_is_read(text: str) -> None:
    try:
        taken = report_of({"balanceWei": text, "sequence": 1}) is not None
    except ProblemError:
        taken = False
    assert taken == fits(text, schemas_of("VaultReportRequest")["balanceWei"])


@given(st.integers(-(10**30), 10**30), st.integers(0, 6))
def test_a_number_without_a_fraction_is_whole_however_it_is_written(number: int, zeros: int) -> None:
    point = f".{'0' * zeros}" if zeros else ""
    for text in (f"{number}{point}", f"{number}e0", f"{number}{point}E+{zeros}"):
        read = number_of(text)
        assert isinstance(read, int)
        assert read == number * (10**zeros if "+" in text else 1)


@pytest.mark.parametrize(
    "text",
    ["1.5", "1e-1", "1.00000000000000000001", "9007199254740993.5", "1e400", "-1e41", "1e-99999999999999999999",
     "0e99999999999999999999", "1" * 30 + "." + "0" * 30],
)  # fmt: skip
def test_a_number_that_has_a_fraction_or_is_far_too_large_is_never_rounded_to_a_whole_one(text: str) -> None:
    assert isinstance(number_of(text), float)
