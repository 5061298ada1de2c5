"""docs/results.md says what the program prints: its commands are run, its numbers looked for, its sums done again."""

import math
import operator
import re
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

import pytest

from app.domain.alerts import AlertThresholds
from app.domain.parameters import Parameters
from tests.cli.command_line import CommandLine

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
PROGRAM = "taiko-fee-oracle "
STARTS_WORKERS = "sweep"
CONCLUSIONS = ("In short", "What each alert would have done", "What this says", "What these figures cannot say")
"""Sections that speak of the figures of all others."""
BY_HAND = "Five blocks by hand"
NUMBER = re.compile(r"(?<![\w.\-])\d+(?:,\d{3})*(?:\.\d+)?(?!\w)")
EQUATION = re.compile(r"(\d[\d.]*(?: [·/−+] \d[\d.]*)+) = (\d[\d.]*\d|\d)")
OPERATIONS = MappingProxyType({"·": operator.mul, "/": operator.truediv, "−": operator.sub, "+": operator.add})
SECONDS_A_BLOCK, SECONDS_A_MINUTE = 12, 60


def sections(text: str) -> dict[str, str]:
    parts = re.split(r"^## (.+)\n", f"## The series\n{text}", flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Each command and its output."""
    for block in re.findall(r"^```\n(\$ .*?)^```", text, flags=re.MULTILINE | re.DOTALL):
        for shown in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = shown.partition("\n")
            yield command, output


def prose(text: str) -> str:
    """What is said in sentences and tables: no code, no dates, no targets of links."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"`[^`]*`|\]\([^)]*\)", "", re.sub(r"\s+", " ", text))
    return re.sub(r"(?:\d+ )?(?:May|November|in) 20\d\d", "", text)


def values(text: str) -> set[Fraction]:
    return {Fraction(found.replace(",", "")) for found in NUMBER.findall(text)}


def settings() -> set[Fraction]:
    """What everything stands by that is not varied."""
    recommended, thresholds = Parameters(), AlertThresholds()
    gwei = (recommended.base_fee, recommended.max_fee, thresholds.fee_min, thresholds.fee_max)
    shares = (thresholds.vault_deficit, thresholds.underfunded_share)
    return {
        recommended.alpha_data,
        recommended.deficit_weight,
        Fraction(recommended.horizon_batches),
        Fraction(recommended.l2_gas_per_batch),
        recommended.legacy_mu,
        thresholds.recovery_high,
        *(Fraction(price, 10**9) for price in gwei),
        *(share * 100 for share in shares),
    }


def printed(text: str) -> set[Fraction]:
    """Every number of the commands and their outputs, and of the sums that were done with them."""
    shown = settings().union(*(values(command) | values(output) for command, output in commands(text)))
    return shown | {Fraction(result) for _, result in EQUATION.findall(prose(text))}


def is_rounded(said: str, exact: Fraction) -> bool:
    """Whether `said` is `exact` to the decimals that it has."""
    digits = said.replace(",", "")
    decimals = len(digits.partition(".")[2])
    return abs(Fraction(digits) - exact) <= Fraction(1, 2 * 10**decimals)


def table_after(heading: str) -> list[list[Decimal]]:
    lines = sections(TEXT)[BY_HAND].partition(f"| {heading}")[2].partition("\n\n")[0].splitlines()[2:]
    return [[Decimal(cell) for cell in re.findall(r"[\d.]+", line)] for line in lines]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command line in a directory that has what the document's reader has: the repository, and `five.csv`."""
    monkeypatch.chdir(tmp_path)
    Path("tests").symlink_to(ROOT / "tests")
    (five,) = re.findall(r"^```csv\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)
    Path("five.csv").write_text(five)
    return CommandLine(capsys)


def run(cli: CommandLine, command: str) -> str:
    """What a terminal would show: the program runs in this process, what it is piped to in a shell."""
    if not command.startswith(PROGRAM):
        return _shell(command, "")
    program, pipe, rest = command.removeprefix(PROGRAM).partition(" | ")
    outcome = cli(*program.split())
    assert outcome.status == (1 if "no candidate keeps the constraints" in outcome.err else 0), outcome.err
    return _shell(rest, outcome.out) if pipe else outcome.err + outcome.out


def _shell(command: str, given: str) -> str:
    ended = subprocess.run(["bash", "-c", command], input=given, capture_output=True, text=True, check=True, timeout=30)
    return ended.stdout


@pytest.mark.parametrize(
    ("command", "output"),
    [
        pytest.param(command, output, marks=[pytest.mark.process] if STARTS_WORKERS in command else [])
        for command, output in commands(TEXT)
    ],
)
def test_a_command_prints_what_stands_below_it(cli: CommandLine, command: str, output: str) -> None:
    assert run(cli, command) == output


@pytest.mark.parametrize("title", [title for title in sections(TEXT) if title != BY_HAND])
def test_every_number_that_is_said_was_printed(title: str) -> None:
    section = sections(TEXT)[title]
    pool = printed(TEXT if title.startswith(CONCLUSIONS) else section)
    said = NUMBER.findall(EQUATION.sub("", prose(section)))
    assert [number for number in said if not any(is_rounded(number, exact) for exact in pool)] == []


@pytest.mark.parametrize(
    ("title", "sum_", "result"),
    [(title, *found) for title, section in sections(TEXT).items() for found in EQUATION.findall(prose(section))],
)
def test_every_sum_is_right_and_done_with_printed_numbers(title: str, sum_: str, result: str) -> None:
    total, *steps = re.findall(r"[\d.]+", sum_)
    exact = Fraction(total)
    for sign, operand in zip(re.findall(r"[·/−+]", sum_), steps, strict=True):
        exact = OPERATIONS[sign](exact, Fraction(operand))
    assert is_rounded(result, exact)
    known = settings().union(*(values(f"{command} {output}") for command, output in commands(sections(TEXT)[title])))
    assert values(sum_) <= known | {Fraction(SECONDS_A_BLOCK), Fraction(SECONDS_A_MINUTE)}


def test_the_five_blocks_can_be_worked_out_by_hand() -> None:
    """With nothing but the sentences of the document: no part of the program is used."""
    vault = Fraction(9)
    terms, results = table_after("block | B, gwei"), table_after("block | fee, wei")
    assert len(terms) == len(results) == 5
    for (number, l1, deficit, *parts, total), (again, fee, cost, revenue, after) in zip(terms, results, strict=True):
        assert number == again
        base_fee = Fraction(l1) * 10**9
        assert Fraction(deficit) == 10 - vault
        exact = (
            Fraction(18, 100) * base_fee,
            180_000 * base_fee / 690_000,
            Fraction(2, 10) * Fraction(deficit) * 10**18 / (72 * 690_000),
            Fraction(1_500_000_000),
        )
        assert all(is_rounded(str(part), value) for part, value in zip(parts, exact, strict=True))
        assert total == sum(parts)
        assert fee == math.ceil(total) == math.ceil(sum(exact))
        assert cost == 304_200 * base_fee
        assert revenue == 690_000 * fee
        vault += Fraction(int(revenue) - int(cost), 10**18)
        assert Fraction(int(after), 10**18) == vault


def test_the_five_blocks_of_the_program_are_those_worked_out_by_hand() -> None:
    ((_, output),) = commands(sections(TEXT)[BY_HAND])
    rows = [[Decimal(cell) for cell in line.split(",")] for line in output.splitlines()[1:]]
    assert rows == table_after("block | fee, wei")


def test_both_series_are_run_through_each_command() -> None:
    shown = [command for command, _ in commands(TEXT)]
    for series in ("2022-05-luna", "2025-11-quiet"):
        for command in ("backtest", "compare", "sweep"):
            assert any(each.startswith(f"{PROGRAM}{command} tests/data/l1-basefee-{series}.csv") for each in shown)


def test_every_link_leads_somewhere() -> None:
    headings = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in sections(TEXT)}
    for target, anchor in re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", TEXT):
        assert (ROOT / "docs" / target).exists(), target
        assert target or anchor in headings, anchor
