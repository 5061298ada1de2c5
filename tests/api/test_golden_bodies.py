"""No byte of an answer changes by chance: every route and every problem against the bodies in `golden/`.

Where a change is meant, `python -m tests.api.golden_bodies` writes them anew.
"""

import json

import pytest

from app.api import app, problems
from app.api.problems import ProblemType
from tests.api.golden_bodies import ANSWERS, FOLDER, PROBLEMS, ROUTES, answer

URN = "urn:taiko-fee-oracle:problem:"
MADE_ELSEWHERE = {("GET", "/metrics"), ("GET", "/docs/{name}")}
"""Bodies by libraries: tests/adapters/test_metrics.py and tests/api/test_pages.py look at them."""


@pytest.mark.parametrize("file", ANSWERS)
def test_the_body_is_the_same_to_the_byte(file: str) -> None:
    assert answer(file).content.decode() == (FOLDER / file).read_bytes().decode()


@pytest.mark.parametrize("file", [file for answers in ROUTES.values() for file in answers])
def test_a_routes_golden_body_is_of_a_success(file: str) -> None:
    assert answer(file).status_code == 200


@pytest.mark.parametrize("name", sorted(PROBLEMS.keys() - {"quote-stale"}))
def test_a_problems_golden_body_is_of_that_problem(name: str) -> None:
    (kind,) = [kind for kind in types() if kind.name == name]
    response = answer(f"problem-{name}.json")
    document = response.json()
    assert response.status_code == kind.code == document["status"]
    assert (document["type"], document["title"]) == (URN + name, kind.title)
    assert response.headers["content-type"] == "application/problem+json"


def test_what_a_json_rpc_client_is_told_of_a_stale_quote_is_that_problem_too() -> None:
    error = answer("problem-quote-stale.json").json()["error"]
    assert (error["code"], error["data"]["type"]) == (-32001, URN + "quote-stale")


def test_no_route_is_without_a_golden_body() -> None:
    routes = {(method, path) for method, path, _ in (*app._ROUTES, *app._ADMINISTRATION)}
    reads = {("GET", path) for path in (*app._DIRECT, *(path for path, _ in app._PAGES))}
    assert ROUTES.keys() | MADE_ELSEWHERE == routes | reads


def test_no_type_of_problem_is_without_a_golden_body() -> None:
    assert PROBLEMS.keys() == {kind.name for kind in types()}


def test_no_golden_body_is_left_over() -> None:
    assert {path.name for path in FOLDER.iterdir()} == ANSWERS.keys()


@pytest.mark.parametrize("file", [file for file in ANSWERS if file.endswith(".json")])
def test_a_json_body_is_utf_8_and_says_nothing_twice(file: str) -> None:
    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    json.loads((FOLDER / file).read_bytes().decode(), object_pairs_hook=once)


def types() -> list[ProblemType]:
    """Every type of problem that there is."""
    return [kind for kind in vars(problems).values() if isinstance(kind, ProblemType)]
