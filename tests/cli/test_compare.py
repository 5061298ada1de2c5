"""`compare` as it is used: side by side, one cost for all, the best marked, a page that needs nothing else."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.cli.command_line import CommandLine

LUNA = str(Path(__file__).parents[1] / "data" / "l1-basefee-2022-05-luna.csv")
VAULT = ("--vault-balance-eth", "1000", "--vault-target-eth", "1000")


class Page(HTMLParser):
    """What a page loads and holds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [value or "" for name, value in attrs if name in {"src", "href"}]


def test_presets_and_the_legacy_controller_side_by_side(cli: CommandLine) -> None:
    outcome = cli("compare", LUNA, *VAULT)
    heads, *rows = outcome.out.splitlines()
    assert heads.split() == ["production", "conservative", "responsive", "legacy"]
    figures = {row.split("  ")[0]: row.split()[-len(heads.split()) :] for row in rows if " *" not in row}
    assert "vault at the end, ETH" in figures
    assert any(row.startswith("mean fee, gwei") and "*" in row for row in rows)


def test_a_comparison_agrees_with_the_backtests_of_its_candidates(cli: CommandLine) -> None:
    compared = cli("compare", LUNA, *VAULT, "--cost-alpha-data", "own", "--json").document["candidates"]
    for preset in ("production", "conservative", "responsive"):
        alone = cli("backtest", LUNA, *VAULT, "--preset", preset, "--json").document["scorecard"]
        assert compared[preset]["scorecard"] == alone
    alone = cli("backtest", LUNA, *VAULT, "--controller", "legacy", "--json").document["scorecard"]
    assert compared["legacy"]["scorecard"] == alone


def test_all_are_charged_the_same_unless_told_otherwise(cli: CommandLine) -> None:
    candidates = cli("compare", LUNA, *VAULT, "--json").document["candidates"]
    assert len({each["scorecard"]["costWei"] for each in candidates.values()}) == 1
    dearer = cli("compare", LUNA, *VAULT, "--cost-alpha-data", "0.25", "--json").document["candidates"]
    for name, each in dearer.items():
        assert int(each["scorecard"]["costWei"]) > int(candidates[name]["scorecard"]["costWei"])


def test_a_file_of_parameters_is_a_candidate(cli: CommandLine, tmp_path: Path) -> None:
    mine = tmp_path / "mine.json"
    mine.write_text(json.dumps({"alphaData": "0.16"}))
    candidates = cli("compare", LUNA, "--with", "conservative", "--with", str(mine), "--json").document["candidates"]
    assert candidates["conservative"] == candidates[str(mine)]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "is not JSON"),
        ("[]", "expected an object of parameters"),
        ('{"alpha": "0.2"}', "alpha: got '0.2', expected one of preset, controller, alphaData"),
        ('{"alphaData": 0.2, "horizonBatches": "7"}', "horizonBatches: got '7', expected a whole number"),
    ],
)
def test_a_file_of_parameters_that_is_wrong_is_named(
    cli: CommandLine, tmp_path: Path, content: str, problem: str
) -> None:
    mine = tmp_path / "mine.json"
    mine.write_text(content)
    outcome = cli("compare", LUNA, "--with", str(mine))
    assert outcome.status == 3
    assert str(mine) in outcome.err
    assert problem in outcome.err


def test_the_report_needs_nothing_but_itself(cli: CommandLine, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    outcome = cli("compare", LUNA, *VAULT, "--report", str(report))
    assert f"report written: {report}" in outcome.err
    text = report.read_text(encoding="utf-8")
    page = Page(text)
    assert page.loaded == []
    assert "script" not in page.tags
    assert page.tags.count("figure") == 4
    assert page.tags.count("table") == 2
    assert "★" in text
    assert "nan" not in text.replace("finance", "")


def test_the_report_of_one_block_and_without_a_vault(cli: CommandLine, tmp_path: Path) -> None:
    history, report = tmp_path / "one.csv", tmp_path / "report.html"
    history.write_text("block_number,timestamp,basefee_wei\n100,1700000000,25000000000\n")
    assert cli("compare", str(history), "--report", str(report)).status == 0
    assert Page(report.read_text(encoding="utf-8")).tags.count("figure") == 3


def test_the_same_candidate_twice_is_refused(cli: CommandLine) -> None:
    outcome = cli("compare", LUNA, "--with", "production", "--with", "production")
    assert outcome.status == 2
    assert "expected at most 9 configurations, each once" in outcome.err
