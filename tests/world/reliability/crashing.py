"""A service with a bug: an error that nobody expects, quoting every secret. Run as a process of its own."""

import asyncio
import os
import sys
import threading

from app.adapters.logs import configure_logging
from app.bootstrap.supervision import Stop, endless, run_until_signalled
from app.settings import Settings, load_settings


async def _buggy(secrets: tuple[str, ...]) -> None:
    await asyncio.sleep(0)
    raise KeyError(*secrets)


async def _serve(settings: Settings, _stop: Stop) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(endless("buggy", _buggy(settings.secrets())))


def _buggy_thread(secrets: tuple[str, ...]) -> None:
    raise KeyError(*secrets)


def main() -> int:
    """Crash in a thread, then in a task; the exit status."""
    settings = load_settings({}, os.environ, None).settings
    configure_logging("debug", "json", sys.stderr, secrets=settings.secrets())
    thread = threading.Thread(target=_buggy_thread, args=(settings.secrets(),))
    thread.start()
    thread.join()
    return run_until_signalled(lambda stop: _serve(settings, stop))
