"""A receiver of Alertmanager's notifications that remembers every one: what arrived, where, when, in which order."""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.service import wait_until


@dataclass(frozen=True)
class Notified:
    """One alert as one notification told of it."""

    at: float
    """When it arrived, as `time.monotonic()`."""
    receiver: str
    status: str
    """firing or resolved; the alert's own, since a notification may tell of several."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @property
    def name(self) -> str:
        """The alert's name."""
        return self.labels["alertname"]


class Webhook:
    """An HTTP server on loopback. `url` takes any path; Alertmanager says which receiver it notifies."""

    def __init__(self) -> None:
        self.notified: list[Notified] = []
        """Everything that arrived, oldest first. It only grows."""
        notified = self.notified

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                notified.extend(_notified(body))
                self.send_response(HTTPStatus.OK)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Tests read `notified`; stderr stays theirs."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def told(
        self, name: str, *, status: str | None = None, receiver: str | None = None, **labels: str
    ) -> list[Notified]:
        """What arrived so far of one alert, oldest first, narrowed by what is given."""
        return [
            one
            for one in list(self.notified)
            if one.name == name
            and status in (None, one.status)
            and receiver in (None, one.receiver)
            and labels.items() <= one.labels.items()
        ]

    def wait_for(
        self, name: str, status: str, *, receiver: str | None = None, seconds: float = 20, **labels: str
    ) -> Notified:
        """The first such notification, as soon as it is there."""
        what = f"{name} {status} at {receiver or 'any receiver'}"
        try:
            return wait_until(
                lambda: self.told(name, status=status, receiver=receiver, **labels), what, seconds=seconds
            )[0]
        except AssertionError as late:
            late.add_note(f"there came {self.summary()}")
            raise

    def summary(self) -> list[tuple[str, str, str]]:
        """Receiver, alert and status of everything that arrived, oldest first."""
        return [(one.receiver, one.name, one.status) for one in list(self.notified)]


def _notified(body: Mapping[str, Any]) -> list[Notified]:
    at = time.monotonic()
    return [
        Notified(at, body["receiver"], alert["status"], alert["labels"], alert["annotations"])
        for alert in body["alerts"]
    ]
