"""The report of `compare` in a real browser: whole without a network, and readable on a phone and in the dark."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.cli.command_line import CommandLine
from tests.world.browser import Seen, seen

DATA = Path(__file__).parents[1] / "data"
LUNA = DATA / "l1-basefee-2022-05-luna.csv"
CONFIGURATIONS = ("production", "conservative", "responsive", "legacy")
CHARTS = {
    "L2 fee against the L1 base fee": len(CONFIGURATIONS) + 1,
    "Vault": len(CONFIGURATIONS),
    "Cost recovery since the beginning": len(CONFIGURATIONS),
    "Distribution of the fee": len(CONFIGURATIONS),
}
"""By title, the lines of each."""
WIDTHS = (360, 390, 768, 1280)
FRAMES = """<!doctype html><body style="color-scheme: light dark">%s<script>
onload = () => {
  document.title = JSON.stringify([...document.querySelectorAll("iframe")].map(frame => {
    const shown = frame.contentDocument, root = shown.documentElement;
    const size = text => text.getBoundingClientRect();
    return {
      width: root.clientWidth,
      overflow: root.scrollWidth - root.clientWidth,
      charts: [...shown.querySelectorAll("figure")].map(figure => ({
        title: figure.querySelector("svg").getAttribute("aria-label"),
        lines: [...figure.querySelectorAll(".wide polyline")].filter(line => line.getTotalLength() > 100).length,
        outside: [...figure.querySelectorAll(".wide text")].filter(text =>
          size(text).left < size(figure.querySelector(".wide svg")).left
          || size(text).right > size(figure.querySelector(".wide svg")).right).length,
      })),
      least: Math.min(...[...shown.querySelectorAll(".tick, td, th, small")].map(text => size(text).height)),
      colours: [...shown.querySelectorAll("polyline, .key line")].map(line => getComputedStyle(line).color),
      ink: getComputedStyle(shown.body).color,
      paper: getComputedStyle(shown.body).backgroundColor,
    };
  }));
};
</script>"""


@dataclass
class Site:
    """Two pages on this machine, and what was asked for."""

    folder: Path
    url: str
    asked: list[str]


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder and remembers what was asked for."""

    def __init__(self, asked: list[str], *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - the library's
        self._asked = asked
        super().__init__(*arguments, **options)

    def do_GET(self) -> None:
        self._asked.append(self.path)
        super().do_GET()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Path:
    """The report of a vault that is short, over the blocks of May 2022."""
    path = tmp_path / "site" / "report.html"
    path.parent.mkdir()
    vault = ("--vault-balance-eth", "950", "--vault-target-eth", "1000")
    assert CommandLine(capsys)("compare", str(LUNA), *vault, "--report", str(path)).status == 0
    return path


@pytest.fixture
def site(report: Path) -> Iterator[Site]:
    frames = "".join(f'<iframe src="report.html" width="{width}" height="3000"></iframe>' for width in WIDTHS)
    (report.parent / "frames.html").write_text(FRAMES % frames)
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, asked, directory=str(report.parent)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Site(report.parent, f"http://127.0.0.1:{server.server_port}", asked)
    finally:
        server.shutdown()
        server.server_close()


def frames_of(page: Seen) -> list[dict[str, Any]]:
    (title,) = re.findall(r"<title>(.*?)</title>", page.dom)
    found: list[dict[str, Any]] = json.loads(title)
    return found


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2.2 between two colours as `rgb(r, g, b)`."""

    def luminance(colour: str) -> float:
        shares = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_opened_from_a_disk_it_complains_of_nothing(report: Path, tmp_path: Path) -> None:
    page = seen(report.as_uri(), tmp_path / "profile")
    assert page.console == []
    assert [title for title in CHARTS if f'aria-label="{title}"' in page.dom] == list(CHARTS)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_at_every_width_the_charts_have_their_lines_and_the_page_does_not_overflow(
    site: Site, tmp_path: Path, scheme: str
) -> None:
    options = ("--blink-settings=preferredColorScheme=0",) if scheme == "dark" else ()
    page = seen(f"{site.url}/frames.html", tmp_path / "profile", "--window-size=3000,3200", *options)
    assert page.console == []
    assert set(site.asked) - {"/favicon.ico"} == {"/frames.html", "/report.html"}
    frames = frames_of(page)
    assert len(frames) == len(WIDTHS)
    for frame in frames:
        assert {chart["title"]: chart["lines"] for chart in frame["charts"]} == CHARTS, frame
        assert sum(chart["outside"] for chart in frame["charts"]) == 0, frame
        assert frame["overflow"] == 0, frame
        assert frame["least"] >= 10, frame
        assert contrast(frame["ink"], frame["paper"]) >= 7, frame
        assert min(contrast(colour, frame["paper"]) for colour in frame["colours"]) >= 3, frame
        assert (frame["paper"] == "rgb(255, 255, 255)") is (scheme == "light"), frame
