"""A real browser that shows a page and says what it made of it. It reaches no host but this one."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

CONSOLE = re.compile(r"CONSOLE[:(].*")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip
VIRTUAL_MILLIS = 20_000
"""So long may the page work, in time that passes as fast as it has nothing to do."""


@dataclass(frozen=True)
class Seen:
    """What a browser made of a page."""

    dom: str
    console: list[str]
    """Everything that it complained of."""


def seen(url: str, profile: Path, *options: str) -> Seen:
    """The page at `url` once it has done its work, in a browser with `options` besides."""
    browser = subprocess.run(
        [
            "chromium", *QUIET, f"--user-data-dir={profile}", "--enable-logging=stderr", "--v=0",
            f"--virtual-time-budget={VIRTUAL_MILLIS}", *options, "--dump-dom", url,
        ],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )  # fmt: skip
    return Seen(browser.stdout, CONSOLE.findall(browser.stderr))
