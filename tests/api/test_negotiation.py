"""Accept, to the letter of RFC 9110 section 12.5.1."""

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from app.api.negotiation import negotiated
from app.api.problems import ProblemError

JSON = "application/json"
CSV = "text/csv; charset=utf-8; header=present"


def asking(*accept: str) -> Request:
    headers = [(b"accept", value.encode("latin-1")) for value in accept]
    return Request({"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers})


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ((), JSON),
        (("",), JSON),
        (("*/*",), JSON),
        (("application/json",), JSON),
        (("text/csv",), CSV),
        (("TEXT/CSV",), CSV),
        (("text/*",), CSV),
        (("application/*",), JSON),
        (("text/csv, application/json",), JSON),
        (("text/csv;q=0.5, application/json;q=0.4",), CSV),
        (("text/csv;q=0.5, application/json;q=0.501",), JSON),
        (("text/csv; q=1 , */*; q=0.1",), CSV),
        (("text/csv;Q=0.9,*/*;q=0.8",), CSV),
        (("application/json;q=0, */*",), CSV),
        (("application/json;q=0.000, */*;q=0.001",), CSV),
        (("*/*;q=0.9, application/*;q=0.1",), CSV),
        (("application/json;q=0.1, application/*;q=0.9, text/csv;q=0.5",), CSV),
        (("text/csv", "application/json;q=0.5"), CSV),
        (("text/csv;charset=utf-8",), CSV),
        (('text/csv;charset="UTF-8"',), CSV),
        (('text/csv;charset="ut\\f-8";header=present',), CSV),
        (("text/csv;header=present;q=0.2, text/csv;q=0.9, application/json;q=0.5",), JSON),
        (("text/csv;header=absent, application/json;q=0.1",), JSON),
        (("text/csv;q=0.9;later=extension, application/json;q=0.1",), CSV),
        (('text/html;title="a,text/csv", application/json;q=0.2',), JSON),
        (("text/csv;",), CSV),
        (("text/csv ; ; q=0.5",), CSV),
        ((", ,text/csv,,",), CSV),
        (("text/csv;q=2",), JSON),
        (("text/csv;q=0.1234",), JSON),
        (("text/csv;q=-1",), JSON),
        (("text/csv;q=",), JSON),
        (("*/csv",), JSON),
        (("text",), JSON),
        (("text/csv/x",), JSON),
        (("t@xt/csv",), JSON),
        (('text/csv;charset="utf-8',), JSON),
        (("text/html, text/csv;q=0.1",), CSV),
        (("application/json; charset=utf-8",), JSON),
        (("application/json;charset=UTF-8, text/csv;q=0.9",), JSON),
        (("application/json;charset=utf-8;q=0.1, application/json, text/csv;q=0.5",), CSV),
        (("text/csv" + ", text/html" * 200,), JSON),
    ],
)
def test_the_most_wanted_of_what_there_is_is_chosen(accept: tuple[str, ...], chosen: str) -> None:
    assert negotiated(asking(*accept), (JSON, CSV)) == chosen


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "text/html, image/*",
        "*/*;q=0",
        "application/json;q=0, text/csv;q=0.0",
        "application/json;version=1",
        "text/csv;header=absent",
        "text/*;q=0, application/xml",
    ],
)
def test_where_everything_is_refused_the_answer_says_what_there_is(accept: str) -> None:
    with pytest.raises(ProblemError) as caught:
        negotiated(asking(accept), (JSON, CSV))
    problem = caught.value.problem
    assert (problem.type.code, problem.members) == (406, {"expected": [JSON, CSV], "found": accept})


@given(st.text(alphabet='*/;,= "\\aqtextcsv01.\t', max_size=200))
def test_whatever_comes_is_answered(accept: str) -> None:
    with suppress(ProblemError):
        assert negotiated(asking(accept), (JSON, CSV)) in (JSON, CSV)


@pytest.mark.parametrize(
    "piece", ['"', '"\\"', "; ", ";\t ;", "a/b;", 'a/b;c="', " ", "a", ",", "a/b;q=0;", '\\"', "a/a;a=a "]
)
def test_no_header_takes_long_to_read(piece: str) -> None:
    accept = (piece * 1024)[:1023] + "@"
    began = time.process_time()
    assert negotiated(asking(accept), (JSON, CSV)) == JSON
    assert time.process_time() - began < 0.1
