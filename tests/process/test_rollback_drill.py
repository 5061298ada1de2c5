"""The source document's rollback plan, drilled on the real process with blocks of a second.

α 0.18 → 0.16, the responsive preset, the emergency revert to the legacy controller and the way back: each is tried,
then done, then looked for in the quotes, the audit trail, the metrics and the log; and so over restarts.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.domain.parameters import Controller, Parameters
from app.domain.units import WeiPerGas
from tests.domain import reference
from tests.service import Service, bare_environment, wait_until

TOKEN = "a-token-for-drills-alone-with-many-characters"  # noqa: S105 - of this test alone
BEARER = {"Authorization": f"Bearer {TOKEN}"}
DEFICIT = 10**18
VAULT = {"TAIKO_VAULT_BALANCE_ETH": "9", "TAIKO_VAULT_TARGET_ETH": "10"}
PREFIX = "taiko_fee_oracle_"

PRODUCTION = Parameters()
LOWER = Parameters(alpha_data=Fraction(16, 100))
RESPONSIVE = Parameters(alpha_data=Fraction(20, 100), deficit_weight=Fraction(3, 10), horizon_batches=48)
EMERGENCY = Parameters(
    controller=Controller.LEGACY,
    alpha_data=Fraction(20, 100),
    deficit_weight=Fraction(3, 10),
    horizon_batches=48,
)
CHEAPER = Parameters(base_fee=WeiPerGas(900_000_000))


@dataclass
class Drill:
    """A service under drill, and the parameters that should govern from which block on."""

    service: Service
    plan: list[tuple[int, Parameters, str]] = field(default_factory=list)
    """First block, parameters, and the `parametersId` that the service gave them."""

    def shown(self) -> tuple[dict[str, Any], str]:
        """What `GET /v1/parameters` says, and its tag."""
        answer = self.service.get("/v1/parameters")
        return answer.json(), answer.headers["etag"]

    def begin(self, parameters: Parameters) -> None:
        """Take what governs at the start."""
        wait_until(self.service.quote, "a quote")
        self.plan.append((0, parameters, self.shown()[0]["parametersId"]))

    def step(self, ask: Callable[[dict[str, str], str], httpx.Response], parameters: Parameters) -> dict[str, Any]:
        """Dry run, then the change, for the parameters that are in force now; then the first quote that it governs."""
        shown, tag = self.shown()
        quote = self.service.quote()
        trail, counted = self.trail(), self.metric("parameter_changes_total")
        assert quote is not None

        tried = ask({"If-Match": tag}, "true")
        assert tried.status_code == 200, tried.text
        assert (tried.json()["dryRun"], tried.json()["number"], tried.headers["etag"]) == (True, None, tag)
        assert (self.shown(), self.trail(), self.metric("parameter_changes_total")) == ((shown, tag), trail, counted)

        done = ask({"If-Match": tag}, "false")
        assert done.status_code == 200, done.text
        answer: dict[str, Any] = done.json()
        for key in ("parameters", "sources", "parametersId", "previousParametersId", "changed", "reason", "actor"):
            assert answer[key] == tried.json()[key], key
        assert answer["previousParametersId"] == shown["parametersId"]
        assert ask({"If-Match": tag}, "false").status_code == 412, "it is meant for what was in force before"

        self.plan.append((answer["fromBlock"], parameters, answer["parametersId"]))
        self._hold_outlook(answer, parameters)
        self._hold_the_rest(answer, counted + 1)
        first = wait_until(lambda: self._quote_from(answer["fromBlock"]), "a quote under the change")
        assert first["parametersId"] == answer["parametersId"]
        return answer

    def trail(self) -> list[dict[str, Any]]:
        """The audit trail of the parameters, newest first."""
        answer = self.service.get("/v1/audit", **BEARER)
        assert answer.status_code == 200, answer.text
        entries: list[dict[str, Any]] = answer.json()["entries"]
        return entries

    def metric(self, name: str) -> float:
        """The value of one sample; fails where there is none."""
        text = self.service.get("/metrics").text
        match = re.search(rf"^{re.escape(PREFIX + name)} (\S+)$", text, re.MULTILINE)
        assert match is not None, name
        return float(match[1])

    def hold_every_quote(self) -> int:
        """Every quote of the journal, to the wei, by the rules written anew; how many there are."""
        history = self.service.get("/v1/history?limit=1000").json()
        assert history["next"] is None
        quotes = {quote["l1"]["blockNumber"]: quote for quote in history["quotes"]}
        smoothed: int | None = None
        for number in range(min(quotes), max(quotes) + 1):
            quote = quotes[number]
            _, parameters, parameters_id = [entry for entry in self.plan if entry[0] <= number][-1]
            assert quote["parametersId"] == parameters_id, number
            base_fee = quote["l1"]["baseFeePerGas"]
            smoothed = smoothed_at(parameters, smoothed, base_fee)
            assert quote["feePerGas"] == fee_at(parameters, smoothed, base_fee), number
        return len(quotes)

    def _quote_from(self, block: int) -> dict[str, Any] | None:
        quote = self.service.quote()
        if quote is None or quote["l1"]["blockNumber"] >= block:
            return quote
        assert quote["parametersId"] == self.plan[-2][2], "a quote for a block before the change"
        return None

    def _hold_outlook(self, answer: dict[str, Any], parameters: Parameters) -> None:
        """The fees at the head, before and after, and those of the block after it."""
        l1, before, after = (answer["fee"][key] for key in ("l1", "before", "after"))
        assert l1["blockNumber"] + 1 == answer["fromBlock"] == before["next"]["blockNumber"]
        smoothed = smoothed_at(parameters, None, l1["baseFeePerGas"])
        following = smoothed_at(parameters, None, l1["nextBaseFeePerGas"])
        assert after["feePerGas"] == fee_at(parameters, smoothed, l1["baseFeePerGas"])
        assert after["next"]["feePerGas"] == fee_at(parameters, following, l1["nextBaseFeePerGas"])
        assert before["feePerGas"] != after["feePerGas"]

    def _hold_the_rest(self, answer: dict[str, Any], counted: float) -> None:
        shown, _ = self.shown()
        for key in ("number", "fromBlock", "at", "parametersId", "parameters", "sources"):
            assert shown[key] == answer[key], key
        newest = self.trail()[0]
        for key in ("number", "fromBlock", "at", "actor", "reason", "parametersId", "previousParametersId", "changed"):
            assert newest[key] == answer[key], key
        logged = [event for event in self.service.events("parameters_changed") if event["number"] == answer["number"]]
        assert [(event["actor"], event["reason"]) for event in logged] == [("admin", answer["reason"])]
        parameters = answer["parameters"]
        assert self.metric("parameter_changes_total") == counted
        assert self.metric("parameter_override_active") == float("override" in answer["sources"].values())
        assert self.metric('parameter{name="alphaData"}') == float(parameters["alphaData"])
        assert self.metric('parameter{name="horizonBatches"}') == parameters["horizonBatches"]
        info = {key: parameters[key] for key in ("controller", "preset")} | {"parameters_id": answer["parametersId"]}
        labels = ",".join(f'{name}="{info[name]}"' for name in sorted(info))
        assert self.metric(f"parameters_info{{{labels}}}") == 1


def smoothed_at(p: Parameters, previous: int | None, base_fee: int) -> int | None:
    """The legacy controller's smoothed cost; nothing is carried through blocks of the other one."""
    if p.controller is Controller.ALPHA:
        return None
    return reference.smoothed_cost(p, previous, reference.batch_cost(p, base_fee))


def fee_at(p: Parameters, smoothed: int | None, base_fee: int) -> int:
    raw = reference.alpha_raw(p, base_fee, DEFICIT) if smoothed is None else reference.legacy_raw(p, smoothed, DEFICIT)
    return reference.fee(p, raw, None)


def patch(drill: Drill, **body: object) -> Callable[[dict[str, str], str], httpx.Response]:
    def ask(headers: dict[str, str], dry_run: str) -> httpx.Response:
        return drill.service.client.patch(
            "/v1/parameters", params={"dryRun": dry_run}, json=body, headers=BEARER | headers
        )

    return ask


def delete(drill: Drill, reason: str) -> Callable[[dict[str, str], str], httpx.Response]:
    def ask(headers: dict[str, str], dry_run: str) -> httpx.Response:
        return drill.service.client.delete(
            "/v1/parameters", params={"dryRun": dry_run, "reason": reason}, headers=BEARER | headers
        )

    return ask


@pytest.fixture(scope="module")
def chain() -> Iterator[str]:
    """A devnet that outlives the service's restarts."""
    with Service("devnet", "--port", "0", "--scenario", "spike", "--block-time", "1") as node:
        yield str(node.event("devnet_listening")["url"])


@contextmanager
def serving(chain: str, state: Path, **environment: str) -> Iterator[Drill]:
    settings = {
        "TAIKO_L1_RPC_URLS": f"node={chain}",
        "TAIKO_POLL_INTERVAL_SECONDS": "0.1",
        "TAIKO_STATE_URL": f"sqlite:///{state}",
        "TAIKO_ADMIN_TOKEN": TOKEN,
        **VAULT,
        **environment,
    }
    with Service("serve", environment=settings) as service:
        yield Drill(service)
        assert service.stop() == 0


def verified(state: Path) -> dict[str, Any]:
    """What `verify` says of the journal."""
    completed = subprocess.run(
        [sys.executable, "-m", "app", "verify", "--json", "--state-url", f"sqlite:///{state}"],
        env=bare_environment(),
        cwd=state.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    found: dict[str, Any] = json.loads(completed.stdout)
    return found


def test_the_rollback_plan(chain: str, tmp_path: Path) -> None:
    state = tmp_path / "journal.db"
    with serving(chain, state) as drill:
        drill.begin(PRODUCTION)
        assert set(drill.shown()[0]["sources"].values()) == {"default"}

        answer = drill.step(patch(drill, alphaData="0.16", reason="recovery above 1.3 all night"), LOWER)
        assert answer["changed"] == {
            "alphaData": {"old": "0.18", "oldSource": "default", "new": "0.16", "newSource": "override"}
        }
        answer = drill.step(patch(drill, preset="responsive", reason="L1 spikes"), RESPONSIVE)
        assert answer["changed"].keys() == {"preset", "alphaData", "deficitWeight", "horizonBatches"}
        answer = drill.step(patch(drill, controller="legacy", reason="emergency: back to what we had"), EMERGENCY)
        assert answer["changed"].keys() == {"controller"}
        answer = drill.step(delete(drill, "the emergency is over"), PRODUCTION)
        assert set(answer["sources"].values()) == {"default"}
        answer = drill.step(patch(drill, alphaData="0.16", reason="for the night"), LOWER)

        trail = drill.trail()
        assert [entry["number"] for entry in trail] == [6, 5, 4, 3, 2, 1]
        assert [entry["actor"] for entry in trail] == ["admin"] * 5 + ["environment"]
        starts = [entry["fromBlock"] for entry in trail[:-1]]
        assert starts == sorted(starts, reverse=True)
        kept = drill.shown()[0]
        plan = drill.plan
        assert drill.hold_every_quote() >= len(plan)
    assert verified(state)["entries"] > 0

    with serving(chain, state) as drill:
        drill.plan = plan
        wait_until(drill.service.quote, "a quote")
        assert drill.shown()[0] == kept
        assert (drill.metric("parameter_override_active"), drill.metric("parameter_changes_total")) == (1, 0)
        assert drill.trail() == trail
        wait_until(lambda: drill.metric('quotes_total{bound="none"}') > 0, "a block of its own")
        drill.hold_every_quote()

    with serving(chain, state, TAIKO_BASE_FEE_GWEI="0.9") as drill:
        wait_until(drill.service.quote, "a quote")
        newest = drill.trail()[0]
        assert (newest["number"], newest["actor"]) == (7, "environment")
        assert newest["reason"] == "the environment changed, and overrides what was in force"
        assert newest["changed"] == {
            "alphaData": {"old": "0.16", "oldSource": "override", "new": "0.18", "newSource": "default"},
            "baseFeeGwei": {"old": "1.5", "oldSource": "default", "new": "0.9", "newSource": "environment"},
        }
        assert drill.shown()[0]["sources"] == kept["sources"] | {"alphaData": "default", "baseFeeGwei": "environment"}
        assert (drill.metric("parameter_override_active"), drill.metric("parameter_changes_total")) == (0, 1)
        drill.plan = [*plan, (newest["fromBlock"], CHEAPER, newest["parametersId"])]
        wait_until(lambda: drill.metric('quotes_total{bound="none"}') > 0, "a block of its own")
        drill.hold_every_quote()
    assert verified(state)["entries"] > 0


def test_six_operators_at_two_replicas_lose_nothing(chain: str, tmp_path: Path) -> None:
    changes: list[dict[str, object]] = [
        {"alphaData": "0.16"}, {"baseFeeGwei": "0.9"}, {"horizonBatches": 48}, {"maxFeeGwei": "900"},
        {"minFeeGwei": "0.5"}, {"deficitWeight": "0.1"},
    ]  # fmt: skip
    state = tmp_path / "journal.db"
    with serving(chain, state) as one, serving(chain, state) as other:
        one.begin(PRODUCTION)
        other.begin(PRODUCTION)
        drills = [one, other] * 3
        with ThreadPoolExecutor(len(changes)) as operators:
            asked = operators.map(
                lambda drill, change: patch(drill, **change)({}, "false").json(), drills, changes, timeout=20
            )
            answers = list(asked)
        assert sorted(answer["number"] for answer in answers) == list(range(2, 2 + len(changes)))
        newest = max(answers, key=lambda answer: int(answer["number"]))
        assert all(newest["parameters"].items() >= change.items() for change in changes)
        assert one.trail() == other.trail()
        assert len(one.trail()) == 1 + len(changes)
        for drill in (one, other):
            quote = wait_until(partial(quote_from, drill, newest["fromBlock"]), "a quote under all of them")
            assert quote["parametersId"] == newest["parametersId"]
            assert drill.metric("parameter_changes_total") == len(changes)
    assert verified(state)["entries"] > 0


def quote_from(drill: Drill, block: int) -> dict[str, Any] | None:
    """The quote that is served, once it is for `block` or a later one."""
    quote = drill.service.quote()
    return quote if quote and quote["l1"]["blockNumber"] >= block else None
