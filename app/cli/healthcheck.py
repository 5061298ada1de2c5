"""`healthcheck`: whether the service that runs is ready."""

from typing import Final

from app.cli.exits import EXIT_CHECK_FAILED, EXIT_OK
from app.cli.invocation import Invocation
from app.cli.output import print_json, print_line
from app.settings import is_web_url, redacted_urls

HEALTHCHECK_TIMEOUT_SECONDS: Final = 2
_WILDCARD_HOSTS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognised, not bound


def healthcheck_command(invocation: Invocation) -> int:
    url = invocation.arguments.url or _readiness_url(invocation)
    if not is_web_url(url):
        invocation.usage_error("--url: expected an http or https URL with a host and without blanks")
    ready, said = _ask(url)
    if invocation.wants_json:
        print_json({"ok": ready, "detail": said})
    else:
        print_line(said)
    return EXIT_OK if ready else EXIT_CHECK_FAILED


def _readiness_url(invocation: Invocation) -> str:
    settings = invocation.load().settings
    if settings.http_port == 0:
        invocation.usage_error("TAIKO_HTTP_PORT is 0, any free port: say which with --url")
    host = _WILDCARD_HOSTS.get(settings.http_host, settings.http_host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.http_port}/readyz"


def _ask(url: str) -> tuple[bool, str]:
    """Whether `url` answers 200, and a line that says so. No proxy of the environment stands between."""
    from http.client import HTTPException  # noqa: PLC0415 - of this command alone
    from urllib.error import HTTPError  # noqa: PLC0415
    from urllib.request import ProxyHandler, build_opener  # noqa: PLC0415

    try:
        with build_opener(ProxyHandler({})).open(url, timeout=HEALTHCHECK_TIMEOUT_SECONDS) as response:
            return True, f"ready (HTTP {response.status})"
    except HTTPError as error:
        return False, f"not ready (HTTP {error.code})"
    except (OSError, HTTPException) as error:
        return False, f"not reachable ({redacted_urls(str(getattr(error, 'reason', error)))})"
