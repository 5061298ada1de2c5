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


def answer_of(url: str, path: str) -> dict[str, Any]:
    """The JSON object at `path` of the service at `url`, with no proxy between. Raises `UnreachableError`."""
    from http.client import HTTPException  # noqa: PLC0415 - slow, and of few commands
    from urllib.request import ProxyHandler, build_opener  # noqa: PLC0415

    try:
        with build_opener(ProxyHandler({})).open(f"{url.rstrip('/')}{path}", timeout=_TIMEOUT_SECONDS) as response:
            answer = json.loads(response.read(_GREATEST_ANSWER_BYTES))
    except HTTPError as error:
        raise UnreachableError(f"--url answers {path} with HTTP {error.code}: {_detail(error)}") from None
    except (OSError, HTTPException) as error:
        reason = redacted_urls(str(getattr(error, "reason", error)))
        raise UnreachableError(f"--url does not answer {path}: {reason}") from None
    except ValueError:
        raise UnreachableError(f"--url answers {path} with what is no JSON") from None
    if not isinstance(answer, dict):
        raise UnreachableError(f"--url answers {path} with what is no JSON object")
    return answer


def _detail(error: HTTPError) -> str:
    """What a problem says of itself (RFC 9457)."""
    try:
        return str(json.loads(error.read(_GREATEST_ANSWER_BYTES))["detail"])
    except (ValueError, KeyError, TypeError, OSError):
        return str(error.reason)
