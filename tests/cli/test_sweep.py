"""`sweep` as it is used: reproducible, resumable, and scored on blocks that no choice has seen."""

import csv
from pathlib import Path

import pytest

from tests.cli.command_line import CommandLine

LUNA = str(Path(__file__).parents[1] / "data" / "l1-basefee-2022-05-luna.csv")
VAULT = ("--vault-balance-eth", "995", "--vault-target-eth", "1000")
GRID = ("--vary", "alphaData=0.16..0.20/0.02", "--vary", "horizonBatches=36,72")
pytestmark = pytest.mark.process
"""Each sweep starts workers."""


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_combination_stands_in_the_file_and_the_front_alone_is_scored_on_the_rest(
    cli: CommandLine, tmp_path: Path
) -> None:
    out = tmp_path / "sweep.csv"
    outcome = cli("sweep", LUNA, *VAULT, *GRID, "--out", str(out))
    assert outcome.status == 0, outcome.err
    rows = rows_of(out)
    assert [(row["alphaData"], row["horizonBatches"]) for row in rows] == [
        (alpha, horizon) for alpha in ("0.16", "0.18", "0.2") for horizon in ("36", "72")
    ]
    front = [row for row in rows if row["pareto"] == "true"]
    assert front
    assert all(row["held_out_recovery_ratio"] for row in front)
    assert not any(row["held_out_recovery_ratio"] for row in rows if row["pareto"] == "false")


def test_the_chosen_part_is_the_first_and_the_held_out_part_the_rest(cli: CommandLine, tmp_path: Path) -> None:
    lines = Path(LUNA).read_text().splitlines(keepends=True)
    first, rest = tmp_path / "first.csv", tmp_path / "rest.csv"
    first.write_text("".join(lines[: 1 + 1_800]))
    rest.write_text("".join([lines[0], *lines[1 + 1_800 :]]))
    found = cli("sweep", LUNA, *VAULT, "--vary", "alphaData=0.18", "--held-out", "0.25", "--json").document
    (only,) = found["pareto"]
    for part, path in (("chosenOn", first), ("heldOut", rest)):
        card = cli("backtest", str(path), *VAULT, "--json").document["scorecard"]
        assert only[part]["costRecoveryRatio"] == card["costRecoveryRatio"]
        assert only[part]["p99FeePerGas"] == card["fee"]["p99"]
        assert only[part]["greatestDeficitWei"] == card["vault"]["greatestDeficitWei"]


def test_the_same_seed_gives_the_same_file_and_another_seed_another(cli: CommandLine, tmp_path: Path) -> None:
    search = ("--vary", "alphaData=0.10..0.30/0.001", "--vary", "deficitWeight=0..1/0.01", "--random", "6")
    files = []
    for name, seed in (("a", "7"), ("b", "7"), ("c", "8")):
        out = tmp_path / name
        cli("sweep", LUNA, *VAULT, *search, "--seed", seed, "--out", str(out), "--recovery-within", "1")
        files.append(out.read_bytes())
    assert files[0] == files[1] != files[2]


def test_a_sweep_that_was_broken_off_goes_on_where_it_was(cli: CommandLine, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole.csv", tmp_path / "sweep.csv"
    cli("sweep", LUNA, *VAULT, *GRID, "--out", str(whole))
    unfinished = tmp_path / "sweep.csv.unfinished"
    out.mkdir()
    assert cli("sweep", LUNA, *VAULT, *GRID, "--out", str(out)).status == 3
    lines = unfinished.read_text().splitlines(keepends=True)
    assert len(lines) == 7
    unfinished.write_text("".join(lines[:4]) + lines[4][:9])
    out.rmdir()
    outcome = cli("sweep", LUNA, *VAULT, *GRID, "--out", str(out))
    assert "3 of 6 candidates are done already" in outcome.err
    assert out.read_bytes() == whole.read_bytes()
    assert not unfinished.exists()


def test_the_notes_of_another_sweep_are_not_gone_on_with(cli: CommandLine, tmp_path: Path) -> None:
    unfinished = tmp_path / "sweep.csv.unfinished"
    unfinished.write_text('{"sweep": "another"}\n')
    outcome = cli("sweep", LUNA, *VAULT, *GRID, "--out", str(tmp_path / "sweep.csv"))
    assert outcome.status == 3
    assert "belongs to another sweep or history" in outcome.err


def test_no_candidate_that_keeps_the_constraints_is_a_failed_check(cli: CommandLine) -> None:
    outcome = cli("sweep", LUNA, *VAULT, *GRID, "--p99-fee-gwei", "1")
    assert outcome.status == 1
    assert "no candidate keeps the constraints" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--vary", "alpha=0.1"), "--vary: got 'alpha=0.1', expected KEY=VALUE"),
        (("--vary", "alphaData=0.2..0.1/0.1"), "expected FIRST up to LAST by a STEP above 0"),
        (("--vary", "alphaData=0.1..0.2"), "expected KEY=VALUE,VALUE,… or KEY=FIRST..LAST/STEP"),
        (("--vary", "alphaData=0.1,0.1"), "each value once"),
        (("--vary", "alphaData=x"), "--vary: got 'x', expected a plain decimal number"),
        (("--vary", "deficitWeight=2"), "deficitWeight: got '2', expected 0 to 1"),
        (("--vary", "horizonBatches=1.5"), "whole numbers for horizonBatches"),
        (("--vary", "alphaData=0.1", "--vary", "alphaData=0.2"), "each once"),
        (("--vary", "alphaData=0.1", "--held-out", "0"), "--held-out: got '0', expected a share"),
        (("--vary", "alphaData=0.1", "--held-out", "2"), "expected a decimal number from 0 to 1"),
    ],
)
def test_a_search_that_is_none(cli: CommandLine, arguments: tuple[str, ...], problem: str) -> None:
    outcome = cli("sweep", LUNA, *VAULT, *arguments)
    assert outcome.status == 2
    assert problem in outcome.err
