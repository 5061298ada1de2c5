"""`healthcheck`: whether the service that runs is ready."""

import contextlib
from typing import Final

from app.cli.exits import EXIT_CHECK_FAILED, EXIT_OK
from app.cli.invocation import Invocation
from app.cli.output import print_json, print_line
from app.settings import is_web_url, redacted_urls

HEALTHCHECK_TIMEOUT_SECONDS: Final = 2
_WILDCARD_HOSTS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognised, not bound
_FAR_AWAY: Final = {4: "203.0.113.1", 6: "2001:db8::1"}
"""Addresses for documentation: nothing is sent to them, they only make the system choose the way out."""


def healthcheck_command(invocation: Invocation) -> int:
    url = invocation.arguments.url or _readiness_url(invocation)
    if url is None:
        ready, said = False, "not reachable (this host has no address beyond loopback)"
    elif is_web_url(url):
        ready, said = _ask(url)
    else:
        invocation.usage_error("--url: expected an http or https URL with a host and without blanks")
    if invocation.wants_json:
        print_json({"ok": ready, "detail": said})
    else:
        print_line(said)
    return EXIT_OK if ready else EXIT_CHECK_FAILED


def _readiness_url(invocation: Invocation) -> str | None:
    """Where others reach the service. On loopback alone they don't; `--from-outside` asks what they would get."""
    settings = invocation.load().settings
    if settings.http_port == 0:
        invocation.usage_error("TAIKO_HTTP_PORT is 0, any free port: say which with --url")
    host, from_outside = settings.http_host, invocation.arguments.from_outside
    loopback = _WILDCARD_HOSTS.get(host)
    if loopback is not None or (from_outside and _is_loopback(host)):
        outward = _outward_address(6 if ":" in host else 4)
        if outward is None and (from_outside or loopback is None):
            return None
        host = outward or loopback or host
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.http_port}/readyz"


def _is_loopback(host: str) -> bool:
    from ipaddress import ip_address  # noqa: PLC0415 - of this command alone

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _outward_address(version: int) -> str | None:
    """The address by which other hosts know this one; None where it has only loopback."""
    import socket  # noqa: PLC0415

    family = socket.AF_INET6 if version == 6 else socket.AF_INET  # noqa: PLR2004
    candidates: list[str] = []
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as way_out:
        way_out.connect((_FAR_AWAY[version], 9))
        candidates.append(way_out.getsockname()[0])
    # An internal network has no way out, but a container engine gives the container's name its address.
    with contextlib.suppress(OSError):
        candidates += [str(found[4][0]) for found in socket.getaddrinfo(socket.gethostname(), None, family)]
    return next((address for address in candidates if not _is_loopback(address)), None)


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
