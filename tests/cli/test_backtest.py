"""`backtest` as it is used: files, standard input, scenarios, the table, and what is wrong with a file."""

import csv
import io
import sys
from pathlib import Path

import pytest

from app.domain.formula import FeeFormula
from app.domain.parameters import Parameters
from app.domain.units import WeiDelta, WeiPerGas
from tests.cli.command_line import CommandLine

DATA = Path(__file__).parents[1] / "data"
LUNA = str(DATA / "l1-basefee-2022-05-luna.csv")
VAULT = ("--vault-balance-eth", "1000", "--vault-target-eth", "1000")
HEADER = "block_number,timestamp,basefee_wei\n"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_five_blocks_that_a_reader_can_check_with_a_calculator(cli: CommandLine, tmp_path: Path) -> None:
    """docs/results.md works these out by hand; every number stands there."""
    history, out = tmp_path / "five.csv", tmp_path / "out.csv"
    fees = (20, 40, 30, 10, 25)
    history.write_text(HEADER + "".join(f"{n},{1_700_000_000 + 12 * n},{fee}000000000\n" for n, fee in enumerate(fees)))
    outcome = cli("backtest", str(history), "--vault-balance-eth", "9", "--vault-target-eth", "10", "--out", str(out))
    assert outcome.status == 0, outcome.err
    table = [
        (row["fee_per_gas"], row["cost_wei"], row["revenue_wei"], row["vault_balance_wei"]) for row in rows_of(out)
    ]
    assert table == [
        ("14343156200", "6084000000000000", "9896777778000000", "9003812777778000000"),
        ("23145198158", "12168000000000000", "15970186729020000", "9007614964507020000"),
        ("18721195796", "9126000000000000", "12917625099240000", "9011406589606260000"),
        ("9888540300", "3042000000000000", "6823092807000000", "9015187682413260000"),
        ("16486361988", "7605000000000000", "11375589771720000", "9018958272184980000"),
    ]


def test_the_table_has_the_promised_columns_and_times_as_they_were_read(cli: CommandLine, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert cli("backtest", LUNA, *VAULT, "--out", str(out)).status == 0
    assert out.read_text().splitlines()[0] == (
        "block_number,timestamp,l1_basefee_wei,raw_fee_per_gas,fee_per_gas,bound,cost_wei,revenue_wei,vault_balance_wei"
    )
    rows = rows_of(out)
    assert len(rows) == 2_400
    assert (rows[0]["block_number"], rows[0]["timestamp"]) == ("14758520", "2022-05-12 02:23:28")
    formula = FeeFormula.of(Parameters())
    balance = 1_000 * 10**18
    for row in rows:
        deficit = max(0, 1_000 * 10**18 - balance)
        price = formula.price(WeiPerGas(int(row["l1_basefee_wei"])), WeiDelta(deficit))
        assert (row["raw_fee_per_gas"], row["fee_per_gas"]) == (str(price.raw), str(price.fee))
        balance += int(row["revenue_wei"]) - min(int(row["cost_wei"]), balance)
        assert int(row["vault_balance_wei"]) == balance


def test_without_a_vault_its_column_is_empty(cli: CommandLine, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    outcome = cli("backtest", LUNA, "--out", str(out))
    assert "none: the deficit is taken as 0" in outcome.out
    assert {row["vault_balance_wei"] for row in rows_of(out)} == {""}


def test_the_scorecard_as_json(cli: CommandLine) -> None:
    document = cli("backtest", LUNA, *VAULT, "--json").document
    assert document["history"] == LUNA
    assert document["parameters"]["alphaData"] == "0.18"
    card = document["scorecard"]
    assert (card["blocks"], card["costRecoveryRatio"], card["fee"]["p50"]) == (2_400, "1.011361", 116_491_844_182)
    assert card["vault"]["insolventBlocks"] == 0
    assert card["alerts"]["TaikoFeeOracleVaultDeficit"] == {"fired": 0, "firingSeconds": 0, "firstAt": None}


def test_standard_input_and_standard_output(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = f"{HEADER}100,1700000000,25000000000\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(rows.encode())))
    outcome = cli("backtest", "-", "--out", "-")
    assert outcome.out.splitlines()[1] == (
        "100,1700000000,25000000000,12521739131,12521739131,none,7605000000000000,8640000000390000,"
    )
    assert len(outcome.out.splitlines()) == 2


def test_a_scenario_is_the_same_for_the_same_seed_and_another_for_another(cli: CommandLine) -> None:
    first, again, other = (
        cli("backtest", "--scenario", "spike", "--blocks", "300", "--seed", seed).out for seed in ("1", "1", "2")
    )
    assert first == again != other


def test_a_rate_limit_begins_at_the_initial_fee_where_it_is_set(cli: CommandLine, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    limited = ("--max-fee-increase", "0.125", "--out", str(out))
    cli("backtest", LUNA, *limited)
    assert rows_of(out)[0]["bound"] == "none"
    cli("backtest", LUNA, *limited, "--initial-fee-gwei", "1")
    assert (rows_of(out)[0]["bound"], rows_of(out)[0]["fee_per_gas"]) == ("rate_up", "1125000000")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "line 1: the file is empty"),
        (f"{HEADER}100,1700000000,25\n", "line 2, column basefee_wei: got 25"),
        (f"{HEADER}100,1700000000,25000000000\n102,1700000024,25000000000\n", "block 101 is missing"),
    ],
)
def test_a_bad_file_ends_with_3_names_the_line_and_leaves_no_table(
    cli: CommandLine, tmp_path: Path, content: str, problem: str
) -> None:
    history, out = tmp_path / "bad.csv", tmp_path / "out.csv"
    history.write_text(content)
    out.write_text("an earlier table")
    outcome = cli("backtest", str(history), "--out", str(out))
    assert outcome.status == 3
    assert f"{history}: " in outcome.err
    assert problem in outcome.err
    assert out.read_text() == "an earlier table"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.csv", "out.csv"]


def test_gaps_are_reported_and_not_filled(cli: CommandLine, tmp_path: Path) -> None:
    history, out = tmp_path / "gaps.csv", tmp_path / "out.csv"
    history.write_text(f"{HEADER}100,1700000000,25000000000\n103,1700000036,25000000000\n")
    outcome = cli("backtest", str(history), "--allow-gaps", "--out", str(out))
    assert outcome.status == 0
    assert "gap: blocks 101 to 102 are missing, and not filled" in outcome.err
    assert [row["block_number"] for row in rows_of(out)] == ["100", "103"]
    assert "2, not filled" in outcome.out


def test_a_file_that_is_not_there(cli: CommandLine) -> None:
    outcome = cli("backtest", "nowhere.csv")
    assert outcome.status == 3
    assert "cannot read the history file nowhere.csv: No such file" in outcome.err


def test_a_table_that_cannot_be_written(cli: CommandLine) -> None:
    outcome = cli("backtest", LUNA, "--out", "nowhere/out.csv")
    assert outcome.status == 3
    assert "cannot write nowhere/out.csv" in outcome.err


@pytest.mark.parametrize("arguments", [(), (LUNA, "--journal"), ("--journal", "--scenario", "calm")])
def test_exactly_one_history(cli: CommandLine, arguments: tuple[str, ...]) -> None:
    outcome = cli("backtest", *arguments)
    assert outcome.status == 2
    assert "expected one of FILE (or -), --journal and --scenario" in outcome.err


def test_an_unknown_scenario_is_named(cli: CommandLine) -> None:
    assert "scenario: got 'storm', expected calm, spike, drift" in cli("backtest", "--scenario", "storm").err


def test_a_vault_that_is_unknown_here_has_to_be_given(cli: CommandLine) -> None:
    outcome = cli("backtest", LUNA, "--vault-addresses", f"l1:0x{'1' * 40}", "--vault-target-eth", "10")
    assert outcome.status == 2
    assert "the vault's source is onchain, and its balance unknown here" in outcome.err


def test_a_manifest_that_contradicts_its_file_is_refused(cli: CommandLine, tmp_path: Path) -> None:
    history = tmp_path / "h.csv"
    history.write_text(f"{HEADER}100,1700000000,25000000000\n")
    manifest = tmp_path / "h.csv.manifest.json"
    manifest.write_text('{"sha256": "00"}')
    outcome = cli("backtest", str(history))
    assert outcome.status == 3
    assert "is not the file that its manifest describes" in outcome.err


def test_a_file_that_records_a_vault_needs_a_target(cli: CommandLine, tmp_path: Path) -> None:
    history = tmp_path / "h.csv"
    history.write_text(f"{HEADER.strip()},vault_balance_wei\n100,1700000000,25000000000,9000000000000000000\n")
    outcome = cli("backtest", str(history))
    assert outcome.status == 3
    assert "vault target: got None, expected a target, since the history records balances" in outcome.err
    assert cli("backtest", str(history), "--vault-balance-eth", "1", "--vault-target-eth", "10").status == 0
