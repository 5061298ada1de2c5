"""An oracle as a stranger sees it: a base URL, and the OpenAPI document that it gives."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import httpx
from jsonschema import Draft202012Validator

PROBLEM = "application/problem+json"
SECRETS = ("http://", "https://", "ws://", "wss://", "sqlite:", "postgres", "Traceback")


@dataclass(frozen=True)
class Operation:
    """One documented operation."""

    method: str
    path: str
    description: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def is_secured(self) -> bool:
        """Whether it needs a bearer token."""
        return bool(self.description.get("security"))

    @property
    def media_types(self) -> list[str]:
        """Those that it answers with when it succeeds."""
        return list(self.description["responses"]["200"]["content"])

    def parameters(self, place: str) -> dict[str, str]:
        """The documented example of each parameter in `place`, as it is sent."""
        return {
            parameter["name"]: text_of(parameter["example"])
            for parameter in self.description.get("parameters", ())
            if parameter["in"] == place
        }


@dataclass(frozen=True)
class Oracle:
    """An oracle somewhere, and who asks it."""

    client: httpx.Client
    token: str | None
    seen: list[httpx.Response] = field(default_factory=list)
    """The answers of the last request."""

    @cached_property
    def document(self) -> dict[str, Any]:
        """What it says of itself."""
        answer = self.client.get("/openapi.json")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        document: dict[str, Any] = answer.json()
        return document

    @cached_property
    def operations(self) -> list[Operation]:
        """Every operation that it documents."""
        return [
            Operation(method, path, description)
            for path, methods in self.document["paths"].items()
            for method, description in methods.items()
        ]

    @property
    def bearer(self) -> dict[str, str]:
        """The header that opens administration; nothing without a token."""
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}

    def operation(self, method: str, path: str) -> Operation:
        """One documented operation."""
        return next(known for known in self.operations if (known.method, known.path) == (method, path))

    def examples(self, media: Mapping[str, Any]) -> list[Any]:
        """The documented examples of a body."""
        names = [entry["$ref"].rpartition("/")[2] for entry in media.get("examples", {}).values()]
        return [self.document["components"]["examples"][name]["value"] for name in names]

    def ask(self, operation: Operation, **request: Any) -> httpx.Response:  # noqa: ANN401 - as httpx takes it
        """One request, whose answer is as the operation says."""
        answer = self.client.request(operation.method, operation.path, **request)
        self.hold(operation, answer)
        return answer

    def get(self, path: str, **request: Any) -> httpx.Response:  # noqa: ANN401 - as httpx takes it
        """One GET whose answer is as it is documented."""
        return self.ask(self.operation("get", path), **request)

    def fee(self, **query: int | str) -> dict[str, Any]:
        """The quote of now; fails where there is none."""
        answer = self.get("/v1/fee", params=query)
        assert answer.status_code == 200, answer.text
        quote: dict[str, Any] = answer.json()
        return quote

    def rpc(self, message: object) -> Any:  # noqa: ANN401 - an object or a list
        """What JSON-RPC answers."""
        answer = self.ask(self.operation("post", "/rpc"), json=message)
        return answer.json() if answer.content else None

    def hold(self, operation: Operation, answer: httpx.Response) -> None:
        """Fail unless status, media type, headers and body are as documented, and name the network and no secret."""
        responses = operation.description["responses"]
        shown = f"{operation}: {answer.status_code} {answer.text[:500]}"
        assert str(answer.status_code) in responses, shown
        described = responses[str(answer.status_code)]
        for name, header in described.get("headers", {}).items():
            assert name in answer.headers, f"{shown}: no {name}"
            self.hold_schema(typed(answer.headers[name], header["schema"]), header["schema"])
        hold_silent(answer, self.token)
        content = described.get("content")
        if content is None:
            assert answer.content == b"", shown
            return
        media_type = next((known for known in content if is_media_type(answer, known)), None)
        assert media_type, f"{shown}: {answer.headers.get('content-type')}"
        if media_type.endswith("json"):
            document = answer.json()
            self.hold_schema(document, content[media_type]["schema"])
            self.hold_network(answer, document)

    def hold_schema(self, value: object, schema: Mapping[str, Any]) -> None:
        """Fail unless `value` is what `schema` says."""
        Draft202012Validator({"components": self.document["components"], **schema}).validate(value)

    def hold_network(self, answer: httpx.Response, document: object) -> None:
        """Fail unless the body names the network that its header names; JSON-RPC's envelope has no place for it."""
        name = answer.headers["taiko-network"]
        if isinstance(document, dict) and "jsonrpc" not in document:
            assert document["network"] == name, document


def hold_silent(answer: httpx.Response, token: str | None) -> None:
    """Fail where an answer names a URL or a secret, beyond the pages' own schemes."""
    said = answer.text + json.dumps(dict(answer.headers))
    for secret in (*SECRETS, *((token,) if token else ())):
        assert secret not in said, f"{answer.request.url}: {secret}"


def is_media_type(answer: httpx.Response, described: str) -> bool:
    """Whether the answer is of a media type, whatever its parameters."""
    media_type: str = answer.headers.get("content-type", "").partition(";")[0]
    return media_type == described.partition(";")[0]


def text_of(example: object) -> str:
    """A parameter's example as it stands in a query or header."""
    return json.dumps(example) if isinstance(example, bool) else str(example)


def typed(text: str, schema: Mapping[str, Any]) -> object:
    """A header's value as its schema means it."""
    return int(text) if schema.get("type") == "integer" else text


def events(answer: httpx.Response) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Name, id and data of each event of a stream."""
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
        else:
            if "data" in fields:
                yield fields["event"], fields.get("id", ""), json.loads(fields["data"])
            fields = {}
