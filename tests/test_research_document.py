"""docs/research.md shows what the commands print: its examples are run, and their output compared."""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.domain.alert_windows import EconomicAlert
from tests.cli.command_line import CommandLine

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "research.md").read_text(encoding="utf-8")
LUNA = ROOT / "tests" / "data" / "l1-basefee-2022-05-luna.csv"
STARTS_WORKERS = "sweep"


def examples() -> Iterator[tuple[list[str], str]]:
    """The arguments and the output of each example that needs neither a node nor a service."""
    for block in re.findall(r"^```\n\$ taiko-fee-oracle (.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL):
        command, _, output = block.partition("\n")
        yield shlex.split(command), output


EXAMPLES = [
    pytest.param(
        arguments, output, id=arguments[0], marks=[pytest.mark.process] if arguments[0] == STARTS_WORKERS else []
    )
    for arguments, output in examples()
]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    shutil.copy(LUNA, "luna.csv")
    return CommandLine(capsys)


@pytest.mark.parametrize(("arguments", "output"), EXAMPLES)
def test_an_example_prints_what_it_shows(cli: CommandLine, arguments: list[str], output: str) -> None:
    outcome = cli(*arguments)
    assert outcome.status == 0, outcome.err
    shown, _, table = output.partition("$ head -3 table.csv\n")
    if table:
        assert Path("table.csv").read_text().splitlines(keepends=True)[:3] == table.splitlines(keepends=True)
    else:
        assert outcome.out == shown


def test_there_is_an_example_of_each_command_that_needs_nothing_else() -> None:
    assert [arguments[0] for arguments, _ in examples()] == ["backtest", "backtest", "compare", "sweep", "validate"]


def test_the_python_example_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    exec(compile(code, "research.md", "exec"), {})  # noqa: S102 - the document's text is the test
    assert capsys.readouterr().out.splitlines() == re.findall(r"  # (.+)", code)


def test_every_figure_of_the_scorecard_is_defined(cli: CommandLine) -> None:
    below = TEXT.partition("| figure | definition |")[2].partition("\n\n")[0]
    defined = {name for row in below.splitlines() for name in re.findall(r"`([^`]+)`", row.split(" | ")[0])}
    history = Path("gaps.csv")
    history.write_text("block_number,timestamp,basefee_wei\n1,1,25000000000\n3,25,25000000000\n")
    vault = ("--vault-balance-eth", "1", "--vault-target-eth", "1")
    shown = {
        re.split(r"\s{2,}", line)[0] for line in cli("backtest", str(history), "--allow-gaps", *vault).out.splitlines()
    }
    assert defined == {label for label in shown if label not in tuple(EconomicAlert)}


@pytest.mark.parametrize("name", ["l2_gas", "vault_balance_wei", "blob_basefee_wei"])
def test_every_column_that_a_history_may_have_is_named(name: str) -> None:
    assert f"| `{name}` |" in TEXT


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", TEXT):
        assert (ROOT / "docs" / target).exists(), target
