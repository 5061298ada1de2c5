"""Every documented operation answers as it is documented, whatever is asked of it. Nothing is changed by asking."""

import ast
from pathlib import Path
from typing import Any

import pytest

from tests.blackbox.oracle import PROBLEM, Operation, Oracle, hold_silent

STREAM = "/v1/fee/stream"
VOLATILE = {"date", "age", "etag", "cache-control", "content-length"}
URN = "urn:taiko-fee-oracle:problem:"


def plain_reads(oracle: Oracle) -> list[Operation]:
    return [known for known in oracle.operations if known.method == "get" and known.path != STREAM]


def writes(oracle: Oracle) -> list[Operation]:
    return [known for known in oracle.operations if "requestBody" in known.description]


def problem_of(answer: Any, code: int, name: str) -> dict[str, Any]:  # noqa: ANN401 - an httpx.Response
    assert answer.status_code == code, answer.text
    assert answer.headers["content-type"] == PROBLEM
    assert answer.headers["cache-control"] == "no-store"
    problem: dict[str, Any] = answer.json()
    assert (problem["type"], problem["status"]) == (URN + name, code)
    assert problem["network"] == answer.headers["taiko-network"]
    return problem


def test_this_suite_knows_nothing_of_the_program() -> None:
    for source in Path(__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not [name for name in names if name.split(".")[0] == "app"], source


def test_the_routes_of_the_contract_are_documented(oracle: Oracle) -> None:
    paths = {known.path for known in oracle.operations}
    assert paths >= {
        "/v1/fee", STREAM, "/v1/history", "/v1/quote", "/v1/simulate", "/v1/status", "/v1/parameters", "/v1/vault",
        "/v1/alerts",
        "/rpc", "/livez", "/healthz", "/readyz", "/metrics",
    }  # fmt: skip


def test_every_read_answers_as_documented(oracle: Oracle) -> None:
    for operation in plain_reads(oracle):
        headers = oracle.bearer if operation.is_secured else {}
        answer = oracle.ask(operation, headers=headers)
        assert answer.status_code in ({200} if oracle.token or not operation.is_secured else {401}), answer.text
        query, sent = operation.parameters("query"), operation.parameters("header")
        for name, value in query.items():
            oracle.ask(operation, params={name: value}, headers=headers)
        for name, value in sent.items():
            oracle.ask(operation, headers=headers | {name: value})
        oracle.ask(operation, params=query, headers=headers | sent)


def test_every_documented_media_type_can_be_asked_for(oracle: Oracle) -> None:
    for operation in plain_reads(oracle):
        headers = oracle.bearer if operation.is_secured else {}
        if not operation.is_secured or oracle.token:
            for media_type in operation.media_types:
                answer = oracle.ask(operation, headers={**headers, "Accept": media_type})
                assert answer.headers["content-type"].partition(";")[0] == media_type.partition(";")[0]


def test_head_is_get_without_the_body(oracle: Oracle) -> None:
    for operation in plain_reads(oracle):
        whole = oracle.client.get(operation.path, headers=oracle.bearer)
        head = oracle.client.head(operation.path, headers=oracle.bearer)
        assert (head.status_code, head.content) == (whole.status_code, b""), operation
        assert head.headers.keys() == whole.headers.keys(), operation
        same = head.headers.keys() - VOLATILE
        assert {name: head.headers[name] for name in same} == {name: whole.headers[name] for name in same}, operation


def test_options_names_what_a_path_takes(oracle: Oracle) -> None:
    methods: dict[str, set[str]] = {}
    for operation in oracle.operations:
        known = methods.setdefault(operation.path, {"OPTIONS"})
        known |= {"GET", "HEAD"} if operation.method == "get" else {operation.method.upper()}
    for path, expected in methods.items():
        answer = oracle.client.options(path)
        assert (answer.status_code, answer.content) == (204, b""), path
        assert set(answer.headers["allow"].split(", ")) == expected, path
        assert answer.headers["taiko-network"], path


def test_a_method_that_a_path_does_not_take_is_405_with_what_it_takes(oracle: Oracle) -> None:
    for path in oracle.document["paths"]:
        allowed = oracle.client.options(path).headers["allow"]
        answer = oracle.client.request("PROPFIND", path)
        problem_of(answer, 405, "method-not-allowed")
        assert answer.headers["allow"] == allowed, path


def test_what_is_nowhere_is_404(oracle: Oracle) -> None:
    for path in ("/v1", "/v1/fee/", "/v1/nothing", "/V1/fee", "/v1/fee/../secret", "/%00"):
        problem_of(oracle.client.get(path), 404, "not-found")


def test_a_query_that_nobody_knows_is_422_and_named(oracle: Oracle) -> None:
    for operation in plain_reads(oracle):
        if "422" in operation.description["responses"] and (oracle.token or not operation.is_secured):
            answer = oracle.ask(operation, params={"blocs": "3"}, headers=oracle.bearer)
            problem = problem_of(answer, 422, "invalid-value")
            assert [error["name"] for error in problem["errors"]] == ["blocs"]


@pytest.mark.parametrize(
    ("query", "name"),
    [("blocks=0", "blocks"), ("blocks=65", "blocks"), ("blocks=x", "blocks"), ("blocks=1&blocks=2", "blocks"),
     ("maxAgeSeconds=0", "maxAgeSeconds"), ("explain=yes", "explain")],
)  # fmt: skip
def test_a_value_that_is_not_allowed_is_422_and_named(oracle: Oracle, query: str, name: str) -> None:
    answer = oracle.ask(oracle.operation("get", "/v1/fee"), params=query)
    assert [error["name"] for error in problem_of(answer, 422, "invalid-value")["errors"]] == [name]


def test_open_writes_take_their_examples_and_refuse_other_bodies(oracle: Oracle) -> None:
    for operation in writes(oracle):
        if operation.is_secured:
            continue
        for example in oracle.examples(operation.description["requestBody"]["content"]["application/json"]):
            assert oracle.ask(operation, json=example).status_code == 200
        declared = {"Content-Type": "application/json"}
        large = oracle.ask(operation, content=b" " * 2_000_000, headers=declared)
        problem_of(large, 413, "body-too-large")
        problem_of(oracle.ask(operation, content=b"{}", headers={"Content-Type": "text/xml"}), 415,
                   "unsupported-media-type")  # fmt: skip
        packed = declared | {"Content-Encoding": "gzip"}
        problem_of(oracle.ask(operation, content=b"{}", headers=packed), 415, "unsupported-content-coding")


def test_a_what_if_that_is_not_json_or_has_a_wrong_value_is_refused(oracle: Oracle) -> None:
    operation = oracle.operation("post", "/v1/quote")
    declared = {"Content-Type": "application/json"}
    for body in (b"", b"{", b"[]", b'{"a":1,"a":1}', b'{"deficitWei":NaN}', b"\xff"):
        problem_of(oracle.ask(operation, content=body, headers=declared), 400, "invalid-json")
    refused = problem_of(oracle.ask(operation, json={"deficitWei": "x", "l1BaseFee": 1}), 422, "invalid-value")
    assert {error["name"] for error in refused["errors"]} == {"deficitWei", "l1BaseFee"}
    large = {"l1BaseFeePerGas": 2**53 - 1, "parameters": {"alphaData": "1000"}}
    problem_of(oracle.ask(operation, json=large), 422, "number-out-of-range")


def test_administration_is_closed_to_strangers(oracle: Oracle) -> None:
    secured = [known for known in oracle.operations if known.is_secured]
    for operation in secured:
        answer = oracle.ask(operation)
        problem_of(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"].startswith("Bearer ")
        wrong = oracle.ask(operation, headers={"Authorization": "Bearer of-a-stranger-who-guesses-and-guesses"})
        problem_of(wrong, 401, "invalid-token")
        assert 'error="invalid_token"' in wrong.headers["www-authenticate"]
    if not secured:
        problem_of(oracle.client.get("/v1/audit"), 404, "not-found")
        problem_of(oracle.client.patch("/v1/parameters", json={}), 404, "not-found")


def test_a_dry_run_changes_nothing(oracle: Oracle) -> None:
    if oracle.token is None:
        refused = oracle.client.patch("/v1/parameters", params={"dryRun": "true"}, json={"alphaData": "0.16"})
        assert refused.status_code in {401, 404}
        return
    before = oracle.get("/v1/parameters").json()
    patch, delete = oracle.operation("patch", "/v1/parameters"), oracle.operation("delete", "/v1/parameters")
    example = oracle.examples(patch.description["requestBody"]["content"]["application/json"])[0]
    for answer in (
        oracle.ask(patch, params={"dryRun": "true"}, json=example, headers=oracle.bearer),
        oracle.ask(delete, params={"dryRun": "true"}, headers=oracle.bearer),
    ):
        assert (answer.status_code, answer.json()["dryRun"], answer.json()["number"]) == (200, True, None)
    other = oracle.bearer | {"If-Match": '"of-other-parameters"'}
    refused = oracle.ask(patch, params={"dryRun": "true"}, json=example, headers=other)
    problem_of(refused, 412, "parameters-changed")
    after = oracle.get("/v1/parameters").json()
    assert after["parametersId"] == before["parametersId"]


def test_pages_name_the_network_and_load_nothing_from_elsewhere(oracle: Oracle) -> None:
    for path in ("/", "/docs"):
        answer = oracle.client.get(path)
        assert (answer.status_code, answer.headers["x-content-type-options"]) == (200, "nosniff")
        assert answer.headers["taiko-network"] in answer.text
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        hold_silent(answer, oracle.token)
