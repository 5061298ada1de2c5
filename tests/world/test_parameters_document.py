"""The commands of docs/parameters.md, run one after the other by a shell against the real service."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from app.api.shapes.parameter_change import ParameterChangeAnswer
from tests.service import Service, wait_until

DOCUMENT = (Path(__file__).parents[2] / "docs" / "parameters.md").read_text(encoding="utf-8")
TOKEN = "a-token-for-documents-with-many-characters"  # noqa: S105 - of this test alone


def answers_of(script: str, oracle: str) -> list[dict[str, Any]]:
    """What the commands print: one JSON object after the other."""
    completed = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={"PATH": "/usr/bin:/bin", "ORACLE": oracle, "TOKEN": TOKEN},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    decoder, rest, found = json.JSONDecoder(), completed.stdout, []
    while rest:
        answer, end = decoder.raw_decode(rest)
        found.append(answer)
        rest = rest[end:].lstrip()
    return found


def test_the_documents_drill_runs_as_it_stands() -> None:
    script = "\n".join(re.findall(r"^```sh\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL))
    environment = {"TAIKO_ADMIN_TOKEN": TOKEN, "TAIKO_POLL_INTERVAL_SECONDS": "0.1"}
    with Service("serve", "--devnet", "--devnet-block-time", "1", environment=environment) as service:
        wait_until(service.quote, "a quote")
        shown, *changes, quote, trail = answers_of(script, str(service.client.base_url))
    assert shown["sources"]["alphaData"] == "default"
    for change in changes:
        ParameterChangeAnswer.model_validate(change)
    assert [(change["dryRun"], change["number"], set(change["changed"])) for change in changes] == [
        (True, None, {"alphaData"}),
        (False, 2, {"alphaData"}),
        (False, 3, {"preset", "alphaData", "deficitWeight", "horizonBatches"}),
        (False, 4, {"controller"}),
        (True, None, {"preset", "controller", "alphaData", "deficitWeight", "horizonBatches"}),
        (False, 5, {"preset", "controller", "alphaData", "deficitWeight", "horizonBatches"}),
    ]
    assert quote["network"] == "devnet"
    assert [entry["number"] for entry in trail["entries"]] == [5, 4, 3, 2, 1]


def test_the_document_names_every_member_of_the_answer() -> None:
    members = {field.alias for field in ParameterChangeAnswer.model_fields.values()} - {"network"}
    table = DOCUMENT.partition("## What the answer says")[2].partition("## Rules")[0]
    assert members <= {name.partition(".")[0] for name in re.findall(r"`([\w.]+)`", table)}
