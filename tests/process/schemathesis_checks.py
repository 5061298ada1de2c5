"""What schemathesis asks of every answer beyond its own checks."""

from decimal import Decimal
from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, HookContext, Response

TOO_OLD = "urn:taiko-fee-oracle:problem:quote-too-old"
INVALID = "urn:taiko-fee-oracle:problem:invalid-value"
OUT_OF_RANGE = "urn:taiko-fee-oracle:problem:number-out-of-range"
BOUNDS = {"minFeeGwei", "maxFeeGwei"}
BESIDE = {"includeBlocks", "series.blockIntervalSeconds"}
MOST_ROWS = 2_500


@schemathesis.hook
def before_call(_ctx: HookContext, case: Case[Any], _kwargs: dict[str, Any]) -> None:
    """Let If-Match be met in two of three cases: text made at random names no parameters that are in force."""
    expected = case.headers.get("If-Match")
    if expected is not None and len(expected) % 3:
        case.headers["If-Match"] = "*"


@schemathesis.check
def refused_for_a_reason(_ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """What may be refused although it fits its schema is refused for what no schema can say."""
    if response.status_code == 503:
        problem = response.json()
        assert (case.operation.label, problem["type"]) == ("GET /v1/fee", TOO_OLD), problem
        assert problem["ageSeconds"] > float(case.query["maxAgeSeconds"]), problem
    is_valid = case.meta is not None and case.meta.generation.mode.is_positive
    if response.status_code == 422 and is_valid:
        problem = response.json()
        assert problem["type"] in {INVALID, OUT_OF_RANGE}, problem
        for error in problem["errors"]:
            judge(error, problem["type"], case)


def judge(error: dict[str, Any], kind: str, case: Case[Any]) -> None:
    """Fail unless `error` is of what no schema can say."""
    name = error["name"].removeprefix("parameters.")
    sent: dict[str, Any] = case.body if isinstance(case.body, dict) else {}
    if kind == OUT_OF_RANGE:
        assert case.operation.label == "POST /v1/quote", error
        assert abs(int(error["value"])) >= 2**53, error
    elif name == "reason":
        reason = str(sent.get("reason") or case.query["reason"])
        assert not reason.isprintable() or not reason.strip(), error
    elif name in BESIDE or name.startswith("series.timestamps"):
        assert case.operation.label == "POST /v1/simulate", error
        judge_simulation(name, sent)
    else:
        parameters: dict[str, Any] = sent.get("parameters", sent)
        assert name in BOUNDS, error
        assert parameters.keys() & BOUNDS, error
        low, high = (parameters.get(bound) for bound in ("minFeeGwei", "maxFeeGwei"))
        assert low is None or high is None or Decimal(low) > Decimal(high), error


def judge_simulation(name: str, sent: dict[str, Any]) -> None:
    """Fail unless what `sent` says of a simulation cannot be so together with the rest of it."""
    series = sent["series"]
    fees, times = series.get("l1BaseFeesPerGas", []), series.get("timestamps")
    if name == "includeBlocks":
        assert sent[name] is True, sent
        assert max(len(fees), series.get("blocks", 0)) > MOST_ROWS, sent
    elif name == "series.blockIntervalSeconds":
        assert None not in (series["blockIntervalSeconds"], times), sent
    else:
        assert len(times) != len(fees) or times != sorted(times), sent


@schemathesis.check
def named_and_silent(_ctx: CheckContext, response: Response, _case: Case[Any]) -> None:
    """Every answer names its network and says nothing that is nobody's business."""
    assert response.headers["taiko-network"] == ["devnet"]
    for secret in (b"a-token-for-", b"http://", b"Traceback"):
        assert secret not in response.content, secret


@schemathesis.check
class EveryOperationWasReached:
    """A run in which an operation was only ever refused has shown nothing of it."""

    def __init__(self) -> None:
        self.tried: set[str] = set()
        self.reached: set[str] = set()

    def after_response(self, _ctx: CheckContext, response: Response, case: Case[Any]) -> None:
        """Remember whether it was served."""
        self.tried.add(case.operation.label)
        if response.status_code < 300:
            self.reached.add(case.operation.label)

    def after_run(self, _ctx: CheckContext) -> None:
        """Fail where an operation was never served."""
        assert self.tried == self.reached, sorted(self.tried - self.reached)
