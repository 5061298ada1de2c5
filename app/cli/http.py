"""What the commands ask a running service."""

import json
from typing import Any, Final
from urllib.error import HTTPError

from app.domain.errors import OracleError
from app.settings import redacted_urls

_TIMEOUT_SECONDS: Final = 10
_GREATEST_ANSWER_BYTES: Final = 1_000_000


class UnreachableError(OracleError):
    """A service that does not answer as it should. Never carries a whole URL."""


def answer_of(url: str) -> dict[str, Any]:
    """The JSON object at `url`. No proxy of the environment stands between. Raises `UnreachableError`."""
    from http.client import HTTPException  # noqa: PLC0415 - slow, and of few commands
    from urllib.request import ProxyHandler, build_opener  # noqa: PLC0415

    shown = redacted_urls(url)
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=_TIMEOUT_SECONDS) as response:
            answer = json.loads(response.read(_GREATEST_ANSWER_BYTES))
    except HTTPError as error:
        raise UnreachableError(f"{shown}: HTTP {error.code}: {_detail(error)}") from None
    except (OSError, HTTPException) as error:
        raise UnreachableError(f"{shown}: {redacted_urls(str(getattr(error, 'reason', error)))}") from None
    except ValueError:
        raise UnreachableError(f"{shown}: the answer is no JSON") from None
    if not isinstance(answer, dict):
        raise UnreachableError(f"{shown}: the answer is no JSON object")
    return answer


def _detail(error: HTTPError) -> str:
    """What a problem says of itself (RFC 9457)."""
    try:
        return str(json.loads(error.read(_GREATEST_ANSWER_BYTES))["detail"])
    except (ValueError, KeyError, TypeError, OSError):
        return str(error.reason)
