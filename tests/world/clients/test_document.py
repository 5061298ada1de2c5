"""docs/clients.md: its commands run as they stand, its programs are clean, and its tables are true."""

import csv
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.api import problems
from app.api.board import GREATEST_BLOCKS_ASKED
from app.api.history import CSV_COLUMNS
from app.api.operations.fee import OPERATIONS
from app.api.problems import PROBLEM_MEDIA_TYPE, ProblemType
from app.api.stream import HEARTBEAT_SECONDS
from tests.service import Service, wait_until
from tests.world.clients.programs import DOCUMENT, PROGRAM, environment, tool

TOKEN = "a-token-for-documents-with-many-characters"  # noqa: S105 - of this test alone
COMMANDS = re.findall(r"^```sh\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
PROGRAMS = dict(PROGRAM.findall(DOCUMENT))
CLIENTS = ("fee_client.sh", "fee_client.py", "fee_client.mts", "fee_client.go")
PROBLEM_TYPES = {kind.name: kind for kind in vars(problems).values() if isinstance(kind, ProblemType)}


@pytest.fixture(scope="module")
def printed() -> dict[str, Any]:
    """What the commands of the page print, by the words that find them, and the quote that they are about."""
    with Service("serve", "--devnet", "--devnet-block-time", "0", environment={"TAIKO_ADMIN_TOKEN": TOKEN}) as service:
        quote = wait_until(service.quote, "a quote")
        reader = environment() | {"ORACLE": str(service.client.base_url).rstrip("/"), "TOKEN": TOKEN}
        functions = "\n".join(block for block in COMMANDS if block.startswith("read_oracle()"))
        outputs = {}
        for block in COMMANDS:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", functions + block],
                env=reader,
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
            assert done.returncode == 0, block + done.stdout + done.stderr
            outputs[block] = done.stdout
        program = PROGRAMS["gas_price.py"]
        gas_price = subprocess.run([sys.executable, "-c", program], env=reader, capture_output=True, check=True)
    return {"quote": quote, "gas_price": int(gas_price.stdout), "outputs": outputs}


def output_of(printed: dict[str, Any], words: str) -> str:
    """What the one block of commands with these words printed."""
    (found,) = (output for block, output in printed["outputs"].items() if words in block)
    return str(found)


def documents_in(text: str) -> Iterator[Any]:
    """The JSON documents that `text` begins with, and then what is left of it."""
    decoder = json.JSONDecoder()
    while text.startswith(("{", "[")):
        document, end = decoder.raw_decode(text)
        yield document
        text = text[end:].lstrip("\n")
    yield text


def test_the_stream_by_curl_shows_the_quote_at_once(printed: dict[str, Any]) -> None:
    lines = output_of(printed, "/v1/fee/stream").splitlines()
    assert "event: quote" in lines
    (data,) = (json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: "))
    assert data == printed["quote"]


def test_cast_web3_and_a_batch_by_curl_read_the_fee(printed: dict[str, Any]) -> None:
    price, _, batch = output_of(printed, "cast gas-price").partition("\n")
    assert int(price) == printed["gas_price"] == printed["quote"]["feePerGas"]
    chain_id, quote = (answer["result"] for answer in json.loads(batch))
    assert int(chain_id, 16) == printed["quote"]["l2ChainId"]
    assert quote.pop("maxFeePerGas") > quote["feePerGas"]
    assert quote == printed["quote"]


def test_every_other_command_answers_as_it_is_said_to(printed: dict[str, Any]) -> None:
    explained, what_if, history, table = documents_in(output_of(printed, "explain=true"))
    assert explained["feePerGas"] == printed["quote"]["feePerGas"]
    assert explained["explanation"]
    assert what_if["feePerGas"] == 45586956522
    assert history["quotes"][0]["quoteId"] == printed["quote"]["quoteId"]
    rows = list(csv.DictReader(table.splitlines()))
    assert tuple(rows[0]) == tuple(CSV_COLUMNS)
    assert int(rows[0]["fee_per_gas"]) == printed["quote"]["feePerGas"]
    young, _ = documents_in(output_of(printed, "maxAgeSeconds=600"))
    assert young["quoteId"] == printed["quote"]["quoteId"]
    change, _ = documents_in(output_of(printed, "dryRun=true"))
    assert (change["dryRun"], change["parameters"]["alphaData"]) == (True, "0.16")


def test_every_program_is_on_the_page() -> None:
    assert set(PROGRAMS) == {*CLIENTS, "fee_stream.py", "gas_price.py"}
    fences = re.findall(r"^```(\w+)$", DOCUMENT, re.MULTILINE)
    assert len(fences) == len(PROGRAMS) + len(COMMANDS) + 1, "the one example of output"


def test_go_is_formatted_and_vetted(saved: Path) -> None:
    assert tool(saved, "gofmt", "-l", "fee_client.go") == ""
    tool(saved, "go", "vet", "fee_client.go")


def test_python_is_formatted_and_typed(saved: Path) -> None:
    python = ("fee_client.py", "fee_stream.py")
    tool(saved, sys.executable, "-m", "ruff", "format", "--isolated", "--line-length=120", "--check", *python)
    tool(saved, sys.executable, "-m", "mypy", "--strict", *python)


@pytest.mark.parametrize("name", CLIENTS)
def test_every_client_takes_every_option_and_gives_every_basis(name: str) -> None:
    options = re.findall(r"^\| `--([\w-]+)", DOCUMENT, re.MULTILINE)
    bases = re.findall(r"^\| `(fresh|ceiling|stale|last_good\w*|none)` \|", DOCUMENT, re.MULTILINE)
    assert (len(options), len(bases)) == (5, 6)
    for option in options:
        assert re.search(rf"\b{option}\b", PROGRAMS[name]), option
    for basis in bases:
        assert f'"{basis}"' in PROGRAMS[name], basis


def test_the_problems_on_the_way_to_a_fee_are_those_of_the_oracle() -> None:
    table = DOCUMENT.partition("## Problems")[2]
    rows = dict(re.findall(r"^\| (`[\w`, -]+) \| ([\d, –]+) \|", table, re.MULTILINE))
    named = [(name, rows[cell]) for cell in rows for name in re.findall(r"[\w-]+", cell)]
    for name, codes in named:
        assert codes == "–" or str(PROBLEM_TYPES[name].code) in codes, name
    refusals = [answer["content"] for code, answer in OPERATIONS["get_fee"]["responses"].items() if code >= 400]
    possible = {name for content in refusals for name in content[PROBLEM_MEDIA_TYPE]["examples"]}
    assert "quote-expired" in possible
    assert possible <= {name for name, _ in named}


def test_the_numbers_of_the_rules_are_those_of_the_oracle() -> None:
    assert f"{GREATEST_BLOCKS_ASKED} blocks, hence {GREATEST_BLOCKS_ASKED * 12 - 1} s, are the most" in DOCUMENT
    assert f"after {HEARTBEAT_SECONDS:.0f} s without anything else" in DOCUMENT
    assert round((9 / 8) ** (180 // 12 + 1), 1) == float(re.findall(r"up to ([\d.]+) times the base fee", DOCUMENT)[0])
