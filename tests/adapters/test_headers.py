import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.headers import BlockPosition, decode_header, decode_position
from app.domain.errors import InvalidHeaderError
from app.domain.header import L1Header
from app.domain.units import BlockNumber, Gas, UnixSeconds, WeiPerGas
from tests.adapters.fake_nodes import block, header

FIELDS = ("number", "hash", "parentHash", "timestamp", "baseFeePerGas", "gasLimit", "gasUsed")
NUMBERS = ("number", "timestamp", "baseFeePerGas", "gasLimit", "gasUsed")
WRONG_NUMBERS: tuple[object, ...] = (
    "-0x1",
    "0x",
    "0X1",
    "1",
    "",
    " 0x1",
    "0x1 ",
    "0xzz",
    "0x1_0",
    "0x" + "1" * 65,
    1,
    1.5,
    True,
    b"1",
    [],
    {},
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | st.text(), inner, max_size=8),
    max_leaves=20,
)


@st.composite
def headers(draw: st.DrawFn) -> L1Header:
    hashes = st.binary(min_size=32, max_size=32).map(lambda raw: "0x" + raw.hex())
    gas_limit = draw(st.integers(5_000, 2**63 - 1))
    return L1Header(
        number=BlockNumber(draw(st.integers(0, 2**63 - 1))),
        hash=draw(hashes),
        parent_hash=draw(hashes),
        timestamp=UnixSeconds(draw(st.integers(1, 2**36 - 1))),
        base_fee_per_gas=WeiPerGas(draw(st.integers(1, 2**53 - 1))),
        gas_limit=Gas(gas_limit),
        gas_used=Gas(draw(st.integers(0, gas_limit))),
    )


@given(headers())
def test_a_header_survives_the_way_through_json(sent: L1Header) -> None:
    assert decode_header(json.loads(json.dumps(block(sent)))) == sent


def field_refused(value: object) -> str | None:
    """The field for which `value` is refused as a header; None where it is taken."""
    try:
        decoded = decode_header(value)
    except InvalidHeaderError as error:
        return error.field
    assert decoded.gas_used <= decoded.gas_limit
    return None


@given(JSON)
def test_arbitrary_json_is_refused_by_name_or_taken(value: object) -> None:
    assert field_refused(value) in (*FIELDS, "block", None)


@given(st.fixed_dictionaries({name: JSON | st.integers(0, 2**70).map(hex) for name in FIELDS}))
def test_arbitrary_fields_are_refused_by_name_or_taken(value: object) -> None:
    assert field_refused(value) in (*FIELDS, None)


@pytest.mark.parametrize("name", FIELDS)
def test_a_missing_field_is_named(name: str) -> None:
    sent = block(header())
    del sent[name]
    with pytest.raises(InvalidHeaderError, match=f"field {name}: got None, expected") as caught:
        decode_header(sent)
    assert caught.value.field == name


@pytest.mark.parametrize("name", FIELDS)
def test_a_null_field_is_named(name: str) -> None:
    with pytest.raises(InvalidHeaderError, match=f"field {name}: got None, expected"):
        decode_header(block(header()) | {name: None})


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("wrong", WRONG_NUMBERS, ids=repr)
def test_a_number_that_is_no_hex_quantity_is_refused(name: str, wrong: object) -> None:
    with pytest.raises(InvalidHeaderError) as caught:
        decode_header(block(header()) | {name: wrong})
    assert (caught.value.field, caught.value.got) == (name, wrong)
    assert "a hex quantity from" in caught.value.expected


@pytest.mark.parametrize(
    ("name", "out_of_range"),
    [
        ("baseFeePerGas", 0),
        ("baseFeePerGas", 2**53),
        ("timestamp", 0),
        ("timestamp", 1_764_157_403_000_000),
        ("timestamp", 2**36),
        ("number", 2**63),
        ("gasLimit", 4_999),
        ("gasLimit", 2**63),
        ("gasUsed", 45_000_001),
    ],
)
def test_an_absurd_number_is_refused(name: str, out_of_range: int) -> None:
    with pytest.raises(InvalidHeaderError) as caught:
        decode_header(block(header()) | {name: hex(out_of_range)})
    assert (caught.value.field, caught.value.got) == (name, hex(out_of_range))


def test_a_block_from_before_london_is_said_to_be_one() -> None:
    sent = block(header())
    del sent["baseFeePerGas"]
    with pytest.raises(InvalidHeaderError, match="London"):
        decode_header(sent)


@pytest.mark.parametrize("name", ["hash", "parentHash"])
@pytest.mark.parametrize("wrong", ["0x", "0x" + "1" * 63, "0x" + "1" * 65, "1" * 64, "0x" + "g" * 64, 7, b"1" * 32])
def test_a_hash_that_is_not_32_bytes_is_refused(name: str, wrong: object) -> None:
    with pytest.raises(InvalidHeaderError, match=f"field {name}: .*32 bytes"):
        decode_header(block(header()) | {name: wrong})


@pytest.mark.parametrize("wrong", [None, [], "0x1", 7, True, [{}]], ids=repr)
def test_what_is_no_object_is_no_block(wrong: object) -> None:
    with pytest.raises(InvalidHeaderError, match=r"field block: .*an object"):
        decode_header(wrong)


def test_hashes_come_out_in_lower_case() -> None:
    mixed = "0x" + "aB" * 32
    assert decode_header(block(header()) | {"hash": mixed}).hash == mixed.lower()


def test_leading_zeros_change_no_value() -> None:
    assert decode_header(block(header()) | {"gasUsed": "0x000a"}) == replace(header(), gas_used=Gas(10))


def test_a_long_wrong_value_is_cut_in_the_message() -> None:
    with pytest.raises(InvalidHeaderError) as caught:
        decode_header(block(header()) | {"number": "9" * 10_000})
    assert len(str(caught.value)) < 300


def test_a_position_needs_number_and_time_only() -> None:
    assert decode_position({"number": "0x0", "timestamp": "0x0"}) == BlockPosition(BlockNumber(0), UnixSeconds(0))


@pytest.mark.parametrize("name", ["number", "timestamp"])
def test_a_position_without_number_or_time_is_refused(name: str) -> None:
    with pytest.raises(InvalidHeaderError, match=f"field {name}"):
        decode_position({"number": "0x1", "timestamp": "0x1"} | {name: None})
