"""What requests carry, read strictly: queries and JSON bodies."""

import asyncio
import re
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from decimal import Decimal, InvalidOperation
from typing import Final

from starlette.requests import ClientDisconnect, Request

from app.api.bodies import JsonObject
from app.api.problems import (
    body_too_large,
    invalid_json,
    invalid_token,
    invalid_values,
    parameters_changed,
    request_timeout,
    unsupported_content_coding,
    unsupported_media_type,
)
from app.api.strict_json import GREATEST_VALUES, NotJsonError, strict_json
from app.api.turnstile import SMALL_BODY_BYTES, Turnstile
from app.domain.errors import InvalidValueError

GREATEST_BODY_BYTES: Final = 64 * 1024

_LONGEST_WHOLE_NUMBER: Final = 40
"""In characters, where it is written with a point or an exponent."""
_GREATEST_WHOLE_NUMBER: Final = 10**40
_JSON_CONTENT_TYPE: Final = re.compile(
    r"application/(?:[a-z0-9.!#$&^_-]+\+)?json\s*(?:;\s*charset=\"?utf-8\"?\s*)?", re.IGNORECASE
)
_WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,16}")
_QUOTED: Final = re.compile(r'^"([^"]*)"$')
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


def expected_of(request: Request) -> tuple[str, ...] | None:
    """What If-Match names, without the quotes, which may be left out; None where whatever is there will do.

    RFC 9110 section 13.1.1: the comparison is strong, so a weak tag stays as it is and equals nothing.
    """
    fields = request.headers.getlist("if-match")
    listed = [tag.strip() for tag in ",".join(fields).split(",")]
    if not fields or "*" in listed:
        return None
    return tuple(_QUOTED.sub(r"\1", tag) for tag in listed)


def require_match(request: Request, name: str, tag: str) -> None:
    """Raise a `ProblemError` where If-Match names neither `name` nor `tag`, both of which the same entity has."""
    expected = expected_of(request)
    if expected is not None and not {name, tag} & set(expected):
        raise parameters_changed(", ".join(expected), name)


def require_no_body(request: Request, allowed: str) -> None:
    """Raise a `ProblemError` for a request with a body, where nobody would read what it says."""
    length = request.headers.get("content-length", "0")
    if length != "0" or "transfer-encoding" in request.headers:
        raise invalid_values(InvalidValueError("body", f"{length} bytes", allowed))


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


async def json_object_of(
    request: Request,
    timeout_seconds: float,
    turnstile: Turnstile | None = None,
    *,
    greatest_bytes: int = GREATEST_BODY_BYTES,
    greatest_values: int = GREATEST_VALUES,
) -> JsonObject:
    """The body as one JSON object. Raises a `ProblemError` for any other, and as `json_body_of` does."""
    body = await json_body_of(request, timeout_seconds, turnstile, greatest_bytes)
    try:
        document = strict_json(body, number_of, greatest_values)
    except NotJsonError as error:
        raise invalid_json(str(error)) from None
    if not isinstance(document, dict):
        raise invalid_json("the body is JSON, but not an object")
    return document


def number_of(text: str) -> int | float:
    """The number that JSON's `text` means: an int where it has no fraction, as JSON Schema has it, else a float.

    `5.0` and `5e0` are 5, to the digit. Raises `ValueError` for more digits than Python reads.
    """
    if text.removeprefix("-").isdecimal():
        return int(text)
    nearest = float(text)
    if len(text) > _LONGEST_WHOLE_NUMBER or not nearest.is_integer() or abs(nearest) >= _GREATEST_WHOLE_NUMBER:
        return nearest
    try:
        exact = Decimal(text)
    except InvalidOperation:
        return nearest
    return int(exact) if exact == exact.to_integral_value() else nearest


async def json_body_of(
    request: Request,
    timeout_seconds: float,
    turnstile: Turnstile | None = None,
    greatest_bytes: int = GREATEST_BODY_BYTES,
) -> bytes:
    """The body, unread. Raises a `ProblemError` for one that is not declared as JSON, compressed, too long or too slow.

    Who needs no token passes `turnstile` with a body that is not small, and is refused where too many do; what the body
    asks for is then worked on without another await.
    """
    coding = request.headers.get("content-encoding", "identity")
    if coding.strip().lower() != "identity":
        raise unsupported_content_coding(coding)
    content_type = request.headers.get("content-type")
    if content_type is None or not _JSON_CONTENT_TYPE.fullmatch(content_type.strip()):
        raise unsupported_media_type(content_type)
    try:
        async with asyncio.timeout(timeout_seconds):
            body = await _limited_body(request, turnstile, greatest_bytes)
    except TimeoutError:
        raise request_timeout(timeout_seconds) from None
    if turnstile is not None and len(body) > SMALL_BODY_BYTES:
        await turnstile.turn()
    return body


async def _limited_body(request: Request, turnstile: Turnstile | None, greatest_bytes: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > greatest_bytes:
        raise body_too_large(greatest_bytes)
    body = bytearray()
    with ExitStack() as room:
        try:
            async for chunk in request.stream():
                was_small = len(body) <= SMALL_BODY_BYTES
                body += chunk
                if len(body) > greatest_bytes:
                    raise body_too_large(greatest_bytes)
                if turnstile is not None and was_small and len(body) > SMALL_BODY_BYTES:
                    room.enter_context(turnstile.large_body())
        except ClientDisconnect:
            raise invalid_json("the body broke off") from None
    return bytes(body)
