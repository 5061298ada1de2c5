"""What requests carry, read strictly: queries and JSON bodies."""

import asyncio
import json
import re
from collections.abc import Collection, Mapping
from typing import Final, NoReturn

from starlette.requests import ClientDisconnect, Request

from app.api.bodies import JsonObject
from app.api.problems import (
    body_too_large,
    invalid_json,
    invalid_token,
    invalid_values,
    parameters_changed,
    request_timeout,
    unsupported_media_type,
)
from app.domain.errors import InvalidValueError

GREATEST_BODY_BYTES: Final = 64 * 1024

_JSON_CONTENT_TYPE: Final = re.compile(
    r"application/(?:[a-z0-9.!#$&^_-]+\+)?json\s*(?:;\s*charset=\"?utf-8\"?\s*)?", re.IGNORECASE
)
_WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,15}")
_ENTITY_TAG: Final = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def query_of(request: Request, allowed: Collection[str] = ()) -> Mapping[str, str]:
    """The query's values by name.

    Raises a `ProblemError` for a name that is not allowed, since a misspelt limit is no limit, or one given twice.
    """
    names = f"one of the query parameters {', '.join(sorted(allowed))}" if allowed else "no query parameter"
    values: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in allowed:
            raise invalid_values(InvalidValueError(name, value, names))
        if name in values:
            raise invalid_values(InvalidValueError(name, value, "the parameter once"))
        values[name] = value
    return values


def whole_number(query: Mapping[str, str], name: str, *, least: int, greatest: int) -> int | None:
    """A whole number of the query, None where it is left out. Raises a `ProblemError` outside its range."""
    text = query.get(name)
    if text is None:
        return None
    allowed = f"a whole number from {least} to {greatest}"
    if not _WHOLE_NUMBER.fullmatch(text) or not least <= int(text) <= greatest:
        raise invalid_values(InvalidValueError(name, text, allowed))
    return int(text)


def flag(query: Mapping[str, str], name: str) -> bool:
    """`true` or `false` of the query, false where it is left out. Raises a `ProblemError` for anything else."""
    text = query.get(name, "false")
    if text not in {"true", "false"}:
        raise invalid_values(InvalidValueError(name, text, "true or false"))
    return text == "true"


def none_match(request: Request, entity_tag: str) -> bool:
    """Whether If-None-Match lets the answer through (RFC 9110 section 13.1.2: weak comparison, lists, `*`)."""
    fields = request.headers.getlist("if-none-match")
    if not fields:
        return True
    listed = ",".join(fields)
    if listed.strip() == "*":
        return False
    return entity_tag.removeprefix("W/") not in _ENTITY_TAG.findall(listed)


def require_match(request: Request, entity: str) -> None:
    """Raise a `ProblemError` where If-Match names other entities than `entity`, which may be given without quotes."""
    fields = request.headers.getlist("if-match")
    listed = [tag.strip() for tag in ",".join(fields).split(",")]
    if fields and "*" not in listed and entity not in listed and f'"{entity}"' not in listed:
        raise parameters_changed(", ".join(fields), entity)


def bearer_of(request: Request) -> str | None:
    """The bearer token that the request carries; None where it carries none, in whatever scheme else.

    Raises a `ProblemError` where there are several: one of them was added on the way.
    """
    fields = request.headers.getlist("authorization")
    if not fields:
        return None
    scheme, _, token = fields[0].partition(" ")
    if len(fields) > 1:
        raise invalid_token()
    return token.strip(" ") if scheme.lower() == "bearer" else None


async def json_object_of(request: Request, timeout_seconds: float) -> JsonObject:
    """The body as one JSON object. Raises a `ProblemError` for any other, and for one that does not come in time."""
    content_type = request.headers.get("content-type")
    if content_type is None or not _JSON_CONTENT_TYPE.fullmatch(content_type.strip()):
        raise unsupported_media_type(content_type)
    try:
        async with asyncio.timeout(timeout_seconds):
            body = await _limited_body(request)
    except TimeoutError:
        raise request_timeout(timeout_seconds) from None
    return _json_object(body)


async def _limited_body(request: Request) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > GREATEST_BODY_BYTES:
        raise body_too_large(GREATEST_BODY_BYTES)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > GREATEST_BODY_BYTES:
                raise body_too_large(GREATEST_BODY_BYTES)
    except ClientDisconnect:
        raise invalid_json("the body broke off") from None
    return bytes(body)


def _json_object(body: bytes) -> JsonObject:
    try:
        document = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except RecursionError:
        raise invalid_json("the body is nested too deeply") from None
    except ValueError as error:
        raise invalid_json(f"the body is not JSON in UTF-8: {_without_input(error)}") from None
    if not isinstance(document, dict):
        raise invalid_json("the body is JSON, but not an object")
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise _NotJsonError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, object]]) -> JsonObject:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise _NotJsonError("a name is given twice")
    return document


class _NotJsonError(ValueError):
    """Python's reader takes it, RFC 8259 does not."""


def _without_input(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos}"
    if isinstance(error, UnicodeDecodeError):
        return f"{error.reason} at byte {error.start}"
    return str(error) if isinstance(error, _NotJsonError) else "a number has too many digits"
