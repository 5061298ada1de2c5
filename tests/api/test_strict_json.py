"""JSON read strictly."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.strict_json import GREATEST_DEPTH, GREATEST_MEMBERS, GREATEST_VALUES, NotJsonError, strict_json

texts = st.text(st.sampled_from('[]{}"\\,:ab\u00e9'), max_size=80)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=40,
)


@given(values)
def test_what_is_json_is_read_as_what_it_is(value: object) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        assert strict_json(text.encode()) == value


@given(texts, st.integers(1, GREATEST_DEPTH + 3), st.sampled_from(["list", "object"]))
def test_nesting_is_counted_outside_of_texts_alone(inner: str, depth: int, kind: str) -> None:
    value: Any = [inner, inner]
    for _ in range(depth - 1):
        value = [value, inner] if kind == "list" else {inner: value}
    body = json.dumps(value).encode()
    if depth <= GREATEST_DEPTH:
        assert strict_json(body) == value
    else:
        with pytest.raises(NotJsonError, match="nested too deeply"):
            strict_json(body)


def test_many_values_beside_one_another_are_not_deep() -> None:
    assert strict_json(b"[" + b",".join([b"[{}]"] * 1_000) + b"]") == [[{}]] * 1_000


@pytest.mark.parametrize("value", [b"1", b"[]", b"{}", b'{"a":1}'])
def test_values_have_a_greatest_number_in_all(value: bytes) -> None:
    starts = value.count(b"[") + value.count(b"{") + 1
    most = (GREATEST_VALUES - len("[")) // starts
    assert len(strict_json(b"[" + b",".join([value] * most) + b"]")) == most  # type: ignore[arg-type]
    with pytest.raises(NotJsonError, match="over 4096 values"):
        strict_json(b"[" + b",".join([value] * (most + 2)) + b"]")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"a":1,"a":2}', "a name is given twice"),
        (b"[NaN]", "NaN is not JSON"),
        (b"[-Infinity]", "-Infinity is not JSON"),
        (b"\xff", "invalid start byte at byte 0"),
        (json.dumps({str(key): 0 for key in range(GREATEST_MEMBERS + 1)}).encode(), "65 members, and 64 are allowed"),
        (b"1" * 5000, "a number has too many digits"),
        (b"[1", "at character 2"),
    ],
)
def test_what_is_not_json_is_refused_with_the_place_and_without_the_text(body: bytes, says: str) -> None:
    with pytest.raises(NotJsonError, match=says):
        strict_json(body)


def test_a_reader_of_numbers_is_given_their_texts() -> None:
    assert strict_json(b"[1.50,-0,1E400," + b"9" * 5000 + b"]", str) == ["1.50", "-0", "1E400", "9" * 5000]


@given(st.binary(max_size=300) | st.text(st.sampled_from('[]{}"\\,:1ae-+.'), max_size=300).map(str.encode))
def test_whatever_comes_is_read_or_refused(body: bytes) -> None:
    try:
        value = strict_json(body)
    except NotJsonError:
        return
    assert json.loads(body) == value
