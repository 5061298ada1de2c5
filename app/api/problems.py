"""Every refusal as RFC 9457 problem+json: the only place that knows which error has which HTTP code."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from types import MappingProxyType
from typing import Final

from starlette.responses import Response

from app.api.board import Published
from app.api.bodies import JsonObject, encoded, seconds, timestamp_text
from app.domain.errors import InvalidValueError, NumberOutOfRangeError, shown
from app.domain.freshness import Freshness
from app.domain.governance import ReportRefusedError
from app.domain.vault import VaultSource
from app.engine.ports import FeedStatus, JournalState, JournalStatus, StoreError, StoreFault

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """A kind of refusal, by its stable name."""

    name: str
    code: int
    title: str

    @property
    def uri(self) -> str:
        """The problem's `type`."""
        return f"urn:taiko-fee-oracle:problem:{self.name}"


MALFORMED_REQUEST: Final = ProblemType("malformed-request", 400, "The request is not valid HTTP/1.1")
INVALID_JSON: Final = ProblemType("invalid-json", 400, "The body is not one JSON object")
UNAUTHORIZED: Final = ProblemType("unauthorized", 401, "A bearer token is needed")
INVALID_TOKEN: Final = ProblemType("invalid-token", 401, "The bearer token is not valid")
NOT_FOUND: Final = ProblemType("not-found", 404, "There is nothing at this path")
METHOD_NOT_ALLOWED: Final = ProblemType("method-not-allowed", 405, "This path does not take this method")
NOT_ACCEPTABLE: Final = ProblemType("not-acceptable", 406, "No representation is acceptable")
REQUEST_TIMEOUT: Final = ProblemType("request-timeout", 408, "The request took too long")
VAULT_NOT_PUSHED: Final = ProblemType("vault-not-pushed", 409, "The vault's balance has another source")
SEQUENCE_REFUSED: Final = ProblemType("sequence-refused", 409, "The sequence was used before")
PARAMETERS_CHANGED: Final = ProblemType("parameters-changed", 412, "Other parameters are in force")
BODY_TOO_LARGE: Final = ProblemType("body-too-large", 413, "The body is too large")
TARGET_TOO_LONG: Final = ProblemType("target-too-long", 414, "The request target is too long")
UNSUPPORTED_MEDIA_TYPE: Final = ProblemType("unsupported-media-type", 415, "The body has to be JSON")
UNSUPPORTED_CONTENT_CODING: Final = ProblemType("unsupported-content-coding", 415, "The body may not be compressed")
INVALID_VALUE: Final = ProblemType("invalid-value", 422, "A value is not allowed")
NUMBER_OUT_OF_RANGE: Final = ProblemType("number-out-of-range", 422, "A number would leave 2^53")
TOO_MANY_PIPELINED: Final = ProblemType(
    "too-many-pipelined-requests", 429, "Too many requests came before their answers"
)
HEAD_TOO_LARGE: Final = ProblemType("request-header-fields-too-large", 431, "The request's header fields are too large")
INTERNAL_ERROR: Final = ProblemType("internal-error", 500, "The service failed")
TRANSFER_CODING: Final = ProblemType("transfer-coding-not-implemented", 501, "The transfer coding is not known here")
QUOTE_UNAVAILABLE: Final = ProblemType("quote-unavailable", 503, "There is no quote yet")
QUOTE_EXPIRED: Final = ProblemType("quote-expired", 503, "The last quote is too old to be served")
QUOTE_TOO_OLD: Final = ProblemType("quote-too-old", 503, "The quote is older than maxAgeSeconds")
QUOTE_STALE: Final = ProblemType("quote-stale", 503, "The quote is not fresh")
"""Only where a bare number is asked for, by JSON-RPC; elsewhere a stale quote is served, and says that it is."""
JOURNAL_DEGRADED: Final = ProblemType("journal-degraded", 503, "The journal fails")
CHAIN_UNKNOWN: Final = ProblemType("chain-unknown", 503, "The L1 chain is not known yet")
ARCHIVE_BUSY: Final = ProblemType("archive-busy", 503, "Too many read the history at once")
NO_PULSE: Final = ProblemType("no-pulse", 503, "The poll loop stands still")
NOT_READY: Final = ProblemType("not-ready", 503, "The service is not ready")
TOO_MANY_STREAMS: Final = ProblemType("too-many-streams", 503, "There are too many streams")
TOO_MANY_CONNECTIONS: Final = ProblemType("too-many-connections", 503, "There are too many connections")
OVERLOADED: Final = ProblemType("overloaded", 503, "Too much is asked at once")
HTTP_VERSION: Final = ProblemType("http-version-not-supported", 505, "The request has another version of HTTP")

_MOST_ERRORS_NAMED: Final = 10
_ARCHIVE_RETRY_SECONDS: Final = 2
_STREAM_RETRY_SECONDS: Final = 10
"""Streams live long, so a place becomes free late."""
_CONNECTION_RETRY_SECONDS: Final = 2
_OVERLOAD_RETRY_SECONDS: Final = 1
_LONGEST_TEXT_SHOWN: Final = 120
_TYPE_OF_STATUS: Final = MappingProxyType({404: NOT_FOUND, 405: METHOD_NOT_ALLOWED})
_ADMINISTRATION: Final = frozenset(
    {("GET", "/v1/audit"), ("PUT", "/v1/vault"), ("PATCH", "/v1/parameters"), ("DELETE", "/v1/parameters")}
)
"""Methods that only a bearer token opens; without one configured, there is nothing to be allowed."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One refusal: its type, what happened here, further members, and headers."""

    type: ProblemType
    detail: str
    members: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def document(self, network_name: str | None) -> JsonObject:
        """The problem's JSON."""
        return {
            "type": self.type.uri,
            "title": self.type.title,
            "status": self.type.code,
            "detail": self.detail,
            "network": network_name,
            **self.members,
        }

    def response(self, network_name: str | None) -> Response:
        """The answer. No cache may keep it."""
        return Response(
            encoded(self.document(network_name)),
            status_code=self.type.code,
            media_type=PROBLEM_MEDIA_TYPE,
            headers={"Cache-Control": "no-store", **self.headers},
        )


class ProblemError(Exception):
    """A route refuses the request."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.type.name}: {problem.detail}")
        self.problem = problem


def of_http_status(code: int, method: str, path: str, allow: Sequence[str]) -> Problem:
    """The problem for what the router refuses: no such path, or no such method there.

    Raises `KeyError` for any other code; the router has no other.
    """
    if (method, path) in _ADMINISTRATION:
        return Problem(NOT_FOUND, f"{method} {path} is administration, which is not available here")
    kind = _TYPE_OF_STATUS[code]
    if kind is NOT_FOUND:
        return Problem(kind, f"{shown(path)} is not a path of this service; see /docs")
    methods = ", ".join(allow)
    return Problem(kind, f"{shown(path)} takes {methods}", headers={"Allow": methods})


def invalid_values(*errors: InvalidValueError) -> ProblemError:
    """Values of the request are outside what is allowed."""
    return ProblemError(_invalid(INVALID_VALUE, errors))


def number_out_of_range(error: NumberOutOfRangeError) -> ProblemError:
    """What the request asks for has a result that leaves 2^53."""
    return ProblemError(_invalid(NUMBER_OUT_OF_RANGE, (error,)))


def invalid_json(detail: str) -> ProblemError:
    """The body could not be read as one JSON object."""
    return ProblemError(Problem(INVALID_JSON, detail))


def request_timeout(limit_seconds: float, part: str = "the body") -> ProblemError:
    """A part of the request did not come in time; what may still come of it is not read."""
    return ProblemError(
        Problem(REQUEST_TIMEOUT, f"{part} took longer than {limit_seconds} s", headers={"Connection": "close"})
    )


def malformed_request(reason: str) -> ProblemError:
    """The request breaks the rules of RFC 9112. `reason` shows nothing of what came."""
    return ProblemError(Problem(MALFORMED_REQUEST, f"the request is not valid HTTP/1.1: {reason}"))


def target_too_long(limit_bytes: int) -> ProblemError:
    """The request target is longer than any path and query that is answered here."""
    return ProblemError(Problem(TARGET_TOO_LONG, f"a request target has at most {limit_bytes} bytes"))


def head_too_large(limit_bytes: int, limit_fields: int) -> ProblemError:
    """The request line and header fields are larger, or more, than is ever needed."""
    detail = f"a request line and its header fields have at most {limit_bytes} bytes, and {limit_fields} fields"
    return ProblemError(Problem(HEAD_TOO_LARGE, detail))


def transfer_coding_unknown(value: str) -> ProblemError:
    """The body comes in another transfer coding than chunked (RFC 9112 section 6.1)."""
    return ProblemError(
        Problem(
            TRANSFER_CODING,
            f"Transfer-Encoding: got {_cut(value)}, expected chunked",
            members={"expected": "chunked", "found": _cut(value)},
        )
    )


def http_version_unsupported(version: str) -> ProblemError:
    """The request is of another version than 1.0 or 1.1."""
    return ProblemError(
        Problem(
            HTTP_VERSION,
            f"HTTP version: got {version}, expected 1.1 or 1.0",
            members={"expected": ["1.1", "1.0"], "found": version},
        )
    )


def too_many_pipelined(limit: int) -> ProblemError:
    """More requests came on one connection than are kept for it; those before them are answered."""
    return ProblemError(
        Problem(TOO_MANY_PIPELINED, f"one connection has at most {limit} requests waiting", headers=_retry_after(0))
    )


def too_many_connections(limit: int) -> ProblemError:
    """There are as many connections as may be; one that keeps the service waiting makes place for another."""
    return ProblemError(
        Problem(
            TOO_MANY_CONNECTIONS,
            f"{limit} connections are open, and no more may be; those that wait for their clients go first",
            headers=_retry_after(_CONNECTION_RETRY_SECONDS),
        )
    )


def overloaded(what: str, limit: int) -> ProblemError:
    """As many costly requests wait as may; the fee itself is served on."""
    return ProblemError(
        Problem(
            OVERLOADED,
            f"{limit} {what}, and no more may; GET /v1/fee does not wait for them",
            headers=_retry_after(_OVERLOAD_RETRY_SECONDS),
        )
    )


def simulation_too_slow(limit_seconds: float) -> ProblemError:
    """A simulation got too little of the processor to end in time."""
    return ProblemError(
        Problem(
            OVERLOADED,
            f"the simulation was to end within {limit_seconds} s, and other requests took the processor",
            headers=_retry_after(_OVERLOAD_RETRY_SECONDS),
        )
    )


def body_too_large(limit_bytes: int) -> ProblemError:
    """The body is longer than is ever needed."""
    return ProblemError(Problem(BODY_TOO_LARGE, f"a body has at most {limit_bytes} bytes"))


def unsupported_media_type(content_type: str | None) -> ProblemError:
    """The body is declared as something else than JSON in UTF-8, or not declared."""
    return ProblemError(
        Problem(
            UNSUPPORTED_MEDIA_TYPE,
            f"Content-Type is {shown(content_type)}, expected application/json in UTF-8",
            headers={"Accept": "application/json"},
        )
    )


def unsupported_content_coding(coding: str) -> ProblemError:
    """The body is compressed, which nobody needs for so little (RFC 9110 section 15.5.16)."""
    return ProblemError(
        Problem(
            UNSUPPORTED_CONTENT_CODING,
            f"Content-Encoding: got {_cut(coding)}, expected none",
            members={"expected": "identity", "found": _cut(coding)},
            headers={"Accept-Encoding": "identity"},
        )
    )


def internal_error() -> Problem:
    """A bug. What it was is in the log, not in the answer."""
    return Problem(INTERNAL_ERROR, "an unexpected error; the log has it")


def unauthorized() -> ProblemError:
    """The request names no bearer."""
    return ProblemError(Problem(UNAUTHORIZED, "expected Authorization: Bearer and a token", headers=_challenge()))


def invalid_token() -> ProblemError:
    """The request's bearer is nobody known. Says nothing of what came."""
    return ProblemError(
        Problem(INVALID_TOKEN, "the token is not one of those configured", headers=_challenge("invalid_token"))
    )


def vault_not_pushed(source: VaultSource) -> ProblemError:
    """The vault's balance does not come from who pushes it."""
    return ProblemError(
        Problem(
            VAULT_NOT_PUSHED,
            f"the vault's source is {source}, expected {VaultSource.PUSH}: TAIKO_VAULT_SOURCE decides",
            members={"expected": VaultSource.PUSH.value, "found": source.value},
        )
    )


def sequence_refused(error: ReportRefusedError) -> ProblemError:
    """A balance with this sequence, or a later one, is in force already."""
    least = error.last + 1
    return ProblemError(
        Problem(
            SEQUENCE_REFUSED,
            f"sequence: got {error.got}, expected at least {least}; only an identical repeat of the last one is taken",
            members={"expected": least, "found": error.got},
        )
    )


def parameters_changed(expected: str, found: str) -> ProblemError:
    """The request is meant for other parameters than are in force."""
    return ProblemError(
        Problem(
            PARAMETERS_CHANGED,
            f"If-Match: got {_cut(expected)}, the parameters in force are {found}",
            members={"expected": _cut(expected), "found": found},
        )
    )


def journal_degraded(journal: JournalStatus, poll_interval_seconds: float) -> ProblemError:
    """The journal has to hold what is served, and fails."""
    fault = None if journal.reason is None else journal.reason.value
    what = "has not been opened yet" if journal.state is JournalState.OPENING else f"fails ({fault})"
    return _journal_degraded(f"the journal {what}, and nothing is served without it", fault, poll_interval_seconds)


def report_not_journaled(error: StoreError, poll_interval_seconds: float) -> ProblemError:
    """The store did not take a balance, so it is not in force. The same report may be sent again."""
    detail = f"the journal fails ({error.fault.value}): a balance that cannot be journaled is not taken"
    return _journal_degraded(detail, error.fault.value, poll_interval_seconds)


def change_not_journaled(error: StoreError, poll_interval_seconds: float) -> ProblemError:
    """The store did not take a change of parameters, so it is not in force. It may be asked for again."""
    detail = f"the journal fails ({error.fault.value}): a change that cannot be journaled is not made"
    return _journal_degraded(detail, error.fault.value, poll_interval_seconds)


def archive_unreadable(fault: StoreFault) -> ProblemError:
    """The store could not be read, or not in time. Nothing else is touched by that."""
    detail = f"the journal cannot be read ({fault.value}); quotes do not depend on it"
    return _journal_degraded(detail, fault.value, _ARCHIVE_RETRY_SECONDS)


def archive_busy() -> ProblemError:
    """As many read the archive, or have yet to take what they read, as may at once."""
    detail = "as many requests as may be at once are being answered from the journal; quotes do not wait for them"
    return ProblemError(Problem(ARCHIVE_BUSY, detail, headers=_retry_after(_ARCHIVE_RETRY_SECONDS)))


def not_acceptable(accept: str, offered: Sequence[str]) -> ProblemError:
    """The request refuses every media type that this path answers in."""
    return ProblemError(
        Problem(
            NOT_ACCEPTABLE,
            f"Accept: got {_cut(accept)}, expected one that takes {' or '.join(offered)}",
            members={"expected": list(offered), "found": _cut(accept)},
        )
    )


def chain_unknown(reason: str | None, poll_interval_seconds: float) -> ProblemError:
    """What was sent belongs to a network, and no provider has said yet which one this is."""
    why = "the first L1 head has not been read yet" if reason is None else f"the L1 cannot be read ({reason})"
    return ProblemError(
        Problem(CHAIN_UNKNOWN, why, members={"failureReason": reason}, headers=_retry_after(poll_interval_seconds))
    )


def quote_unavailable(feed: FeedStatus, journal: JournalStatus, poll_interval_seconds: float) -> ProblemError:
    """There is no quote yet; says why."""
    causes = []
    if feed.failure_reason is not None:
        causes.append(f"the L1 head cannot be read ({feed.failure_reason}, {feed.consecutive_failures} polls in a row)")
    if feed.vault_failure_reason is not None:
        causes.append(f"the vault cannot be read ({feed.vault_failure_reason}), and an unknown vault is not priced")
    if journal.state is JournalState.DEGRADED and journal.reason is not None:
        causes.append(f"the journal fails ({journal.reason.value})")
    detail = "; ".join(causes) or "the first L1 head has not been read yet"
    return ProblemError(
        Problem(
            QUOTE_UNAVAILABLE,
            detail,
            members={"failureReason": feed.failure_reason, "vaultFailureReason": feed.vault_failure_reason},
            headers=_retry_after(poll_interval_seconds),
        )
    )


def quote_expired(published: Published | None, freshness: Freshness, poll_interval_seconds: float) -> ProblemError:
    """The quote is older than any reader may take; carries it, marked, unless it is None: then it is kept back."""
    return _with_last_quote(QUOTE_EXPIRED, published, freshness, poll_interval_seconds)


def quote_too_old(published: Published, freshness: Freshness, poll_interval_seconds: float) -> ProblemError:
    """The quote is older than this reader takes; carries it, marked expired."""
    return _with_last_quote(QUOTE_TOO_OLD, published, freshness, poll_interval_seconds)


def quote_stale(published: Published, freshness: Freshness, poll_interval_seconds: float) -> ProblemError:
    """The quote is stale, and the answer would not say so; carries it, marked."""
    until = f"fresh until {timestamp_text(freshness.stale_at)}; taiko_feeQuote gives it with its status"
    return _with_last_quote(QUOTE_STALE, published, freshness, poll_interval_seconds, until)


def no_pulse(pulse_age_seconds: float, limit_seconds: float, poll_interval_seconds: float) -> ProblemError:
    """The poll loop has done nothing for too long."""
    age = round(pulse_age_seconds, 3)
    return ProblemError(
        Problem(
            NO_PULSE,
            f"the poll loop's last iteration was {age} s ago, expected at most {limit_seconds} s",
            members={"lastPulseAgeSeconds": age},
            headers=_retry_after(poll_interval_seconds),
        )
    )


def not_ready(reasons: Sequence[str], journal: JournalStatus, poll_interval_seconds: float) -> ProblemError:
    """The service should get no traffic now; `reasons` are stable labels of what is missing."""
    return ProblemError(
        Problem(
            NOT_READY,
            f"not ready: {', '.join(reasons)}",
            members={"reasons": list(reasons), "journal": journal.state.value},
            headers=_retry_after(poll_interval_seconds),
        )
    )


def too_many_streams(limit: int) -> ProblemError:
    """There are as many readers of the stream as may be."""
    return ProblemError(
        Problem(
            TOO_MANY_STREAMS,
            f"{limit} streams are open, and no more may be: TAIKO_STREAM_CLIENTS_MAX decides; GET /v1/fee goes on",
            headers=_retry_after(_STREAM_RETRY_SECONDS),
        )
    )


def _invalid(kind: ProblemType, errors: Sequence[InvalidValueError]) -> Problem:
    named = [
        {"name": _cut(error.name), "value": _cut(error.value), "allowed": error.allowed}
        for error in errors[:_MOST_ERRORS_NAMED]
    ]
    sentences = (f"{entry['name']}: got {entry['value']}, expected {entry['allowed']}" for entry in named)
    return Problem(kind, "; ".join(sentences), members={"errors": named})


def _cut(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= _LONGEST_TEXT_SHOWN else shown(value)


def _with_last_quote(
    kind: ProblemType,
    published: Published | None,
    freshness: Freshness,
    poll_interval_seconds: float,
    until: str | None = None,
) -> ProblemError:
    age = seconds(freshness.age_millis)
    limit = until or f"to be served until {timestamp_text(freshness.expires_at)}"
    return ProblemError(
        Problem(
            kind,
            f"the L1 head of the last quote is {age} s old, and it was {limit}",
            members={
                "staleReason": None if freshness.reason is None else freshness.reason.value,
                "ageSeconds": age,
                "lastQuote": None if published is None else json.loads(published.body(freshness)),
            },
            headers=_retry_after(poll_interval_seconds),
        )
    )


def _journal_degraded(detail: str, fault: str | None, poll_interval_seconds: float) -> ProblemError:
    return ProblemError(
        Problem(JOURNAL_DEGRADED, detail, members={"reason": fault}, headers=_retry_after(poll_interval_seconds))
    )


def _challenge(error: str | None = None) -> dict[str, str]:
    """What RFC 6750 section 3 wants to be said of a refusal."""
    realm = 'Bearer realm="taiko-fee-oracle"'
    return {"WWW-Authenticate": realm if error is None else f'{realm}, error="{error}"'}


def _retry_after(poll_interval_seconds: float) -> dict[str, str]:
    return {"Retry-After": str(max(1, ceil(poll_interval_seconds)))}
