import pytest

from app.domain.errors import (
    HeaderRejectedError,
    InvalidHeaderError,
    InvalidValueError,
    NumberOutOfRangeError,
    OracleError,
)


def test_an_invalid_value_names_itself_what_came_and_what_is_allowed() -> None:
    error = InvalidValueError("alphaData", "lots", "at least 0")
    assert str(error) == "alphaData: got 'lots', expected at least 0"
    assert (error.name, error.value, error.allowed) == ("alphaData", "lots", "at least 0")


def test_an_invalid_header_names_the_field() -> None:
    error = InvalidHeaderError("baseFeePerGas", None, "a hex quantity")
    assert str(error) == "L1 header field baseFeePerGas: got None, expected a hex quantity"


def test_a_rejected_header_carries_a_stable_reason_and_both_sides() -> None:
    error = HeaderRejectedError("impossible_base_fee", 7, 10, 9)
    assert (error.reason, error.number) == ("impossible_base_fee", 7)
    assert str(error) == "L1 block 7 rejected (impossible_base_fee): got 10, expected 9"


def test_a_long_value_is_cut_so_that_no_answer_floods_the_log() -> None:
    message = str(InvalidHeaderError("hash", "f" * 10_000, "32 bytes"))
    assert len(message) < 250
    assert "(10002 characters)" in message


def test_a_number_too_long_for_decimal_digits_is_shown_all_the_same() -> None:
    message = str(InvalidHeaderError("gasLimit", 1 << 100_000, "at most 2^63-1"))
    assert "0x1000" in message
    assert len(message) < 250


@pytest.mark.parametrize("kind", [InvalidValueError, InvalidHeaderError, HeaderRejectedError, NumberOutOfRangeError])
def test_every_expected_error_is_in_the_tree(kind: type[Exception]) -> None:
    assert issubclass(kind, OracleError)
