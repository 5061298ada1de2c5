"""The service with a sampler beside it that writes what a leak would show: a process of its own, for `test_soak`."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Final

from app.adapters.logs import configure_logging
from app.bootstrap.commands import _serve
from app.bootstrap.supervision import Stop, listen, run_until_signalled
from app.domain.alert_table import IN_MILLIS
from app.settings import load_settings

SAMPLE_SECONDS: Final = 1.0


def sample() -> dict[str, int]:
    """What the process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "resident_bytes": pages * os.sysconf("SC_PAGE_SIZE"),
        "descriptors": sum(1 for _ in Path("/proc/self/fd").iterdir()),
        "tasks": len(asyncio.all_tasks()),
    }


async def _sampled(path: Path, stop: Stop) -> None:
    with path.open("w", encoding="utf-8") as file:
        while not stop.asked.is_set():
            file.write(json.dumps(sample()) + "\n")
            file.flush()
            await asyncio.sleep(SAMPLE_SECONDS)


async def _serve_sampled(path: Path, stop: Stop) -> None:
    settings = load_settings({}, os.environ, None).settings
    async with asyncio.TaskGroup() as group:
        group.create_task(_sampled(path, stop))
        with listen(settings.http_host, settings.http_port) as listener:
            await _serve(settings, None, listener, stop, IN_MILLIS)


if __name__ == "__main__":
    configure_logging("info", "json", sys.stderr)
    sys.exit(run_until_signalled(lambda stop: _serve_sampled(Path(sys.argv[1]), stop)))
