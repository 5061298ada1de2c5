"""JSON-RPC answers, checked before anything is taken from them."""

from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from app.adapters.nodes import NodeRefusedError
from app.domain.units import UnixSeconds

LONGEST_ANSWER_BYTES: Final = 4 * 2**20
"""A block of 2,000 transaction hashes is 140 kB."""
_LONGEST_DATE: Final = 64


class UnusableAnswerError(Exception):
    """What came is not the answer to the request. The message quotes nothing of it."""


def answer_to(request_id: object, answer: object) -> Mapping[str, object]:
    """`answer` where it is one to this request: an object with the id, and a result or an error with a code.

    An error with the id null is one to any request: the node could not read which. Raises `UnusableAnswerError`.
    """
    if not isinstance(answer, dict):
        raise UnusableAnswerError("not a JSON object")
    error = answer.get("error")
    if error is None and "result" not in answer:
        raise UnusableAnswerError("neither a result nor an error")
    if error is not None and not (isinstance(error, dict) and type(error.get("code")) is int):
        raise UnusableAnswerError("an error without a code")
    answer_id = answer.get("id")
    request_was_unreadable = answer_id is None and error is not None
    if not request_was_unreadable and (type(answer_id) is not int or answer_id != request_id):
        raise UnusableAnswerError("the id of another request")
    return answer


def result_of(
    answer: Mapping[str, object], *, alias: str, method: str, redacted: Callable[[str], str]
) -> object | NodeRefusedError:
    """The result in a checked answer, null included, or the node's refusal."""
    error = answer.get("error")
    if isinstance(error, dict):
        return NodeRefusedError(alias, method, error["code"], redacted(str(error.get("message"))))
    return answer["result"]


def http_date(text: str | None) -> UnixSeconds | None:
    """The moment that an HTTP `Date` header names; None for none and for anything else."""
    if text is None or len(text) > _LONGEST_DATE:
        return None
    try:
        return UnixSeconds(int(parsedate_to_datetime(text).timestamp()))
    except (ValueError, OverflowError):
        return None
