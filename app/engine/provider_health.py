"""Which providers are up: they answer, and with what can be used."""

from collections.abc import Iterator
from typing import Final

from app.engine.events import (
    Event,
    PollFailed,
    PollSucceeded,
    ProviderChanged,
    ProviderClosed,
    ProviderOpened,
    RpcFinished,
)

ANSWERS: Final = frozenset({"ok", "missing_block", "missing_state"})
"""Results of a node that answers: one that lacks an old block or its state is up."""
OF_NO_USE: Final = frozenset(
    {
        "invalid_answer",
        "invalid_header",
        "wrong_chain",
        "missing_block",
        "missing_state",
        "inconsistent_chain",
        "rejected_header",
        "timestamp_in_future",
    }
)
"""What is wrong with a provider whose calls succeed. Of all other reasons its calls tell whether it is up."""


class ProviderHealth:
    """What the events tell of the providers' health."""

    def __init__(self) -> None:
        self._unusable: set[str] = set()

    def told(self, event: Event) -> Iterator[tuple[str, bool]]:
        """The provider that `event` tells of, and whether it is up; nothing where it tells of none."""
        match event:
            case RpcFinished():
                yield event.provider, event.result in ANSWERS and event.provider not in self._unusable
            case PollSucceeded() | ProviderClosed():
                self._unusable.discard(event.provider)
                yield event.provider, True
            case PollFailed() | ProviderOpened():
                yield from self._doubted(event.provider, event.reason)
            case ProviderChanged() if event.instead_of is not None:
                yield from self._doubted(event.instead_of, event.reason)
            case _:
                pass

    def _doubted(self, provider: str, reason: str) -> Iterator[tuple[str, bool]]:
        """One whose answers are of no use is down until it gives a usable head."""
        if reason in OF_NO_USE:
            self._unusable.add(provider)
            yield provider, False
