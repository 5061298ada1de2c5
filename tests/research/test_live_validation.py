"""A live oracle's own answers pass, and each lie in them is named."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from app.domain.alerts import AlertThresholds
from app.domain.header import L1Header
from app.domain.parameter_set import ParameterSet
from app.domain.units import Wei, WeiPerGas
from app.domain.vault import NO_VAULT, VaultCondition, VaultPlan, VaultSource, VaultState
from app.research.live_validation import UNUSABLE, live_checks
from app.research.validation import Check, Verdict
from tests.api.house import FULL_VAULT, build_house, sample_header, sample_quote
from tests.domain.build import ETHER, GWEI

THRESHOLDS = AlertThresholds()


class Answers(NamedTuple):
    """What an oracle's three routes say, and its L1's own header."""

    fee: dict[str, Any]
    parameters: dict[str, Any]
    vault: dict[str, Any]
    header: L1Header


async def answers(
    *,
    base_fee: int = 25 * GWEI,
    vault: VaultState = FULL_VAULT,
    changes: dict[str, object] | None = None,
    age_seconds: int = 0,
) -> Answers:
    """The real answers of a real API, without a socket."""
    header, parameter_set = sample_header(base_fee=base_fee), ParameterSet().changed(changes or {})
    quote = sample_quote(header=header, vault=vault, parameters=parameter_set.parameters)
    plan = VaultPlan(source=vault.source, target=vault.target, surplus_discount=vault.surplus_discount)
    house = build_house(quote=quote, parameter_set=parameter_set, vault_plan=plan)
    house.clock.pass_seconds(age_seconds)
    fee, parameters, shown = [(await house.get(f"/v1/{name}")).json() for name in ("fee", "parameters", "vault")]
    return Answers(fee, parameters, shown, header)


def checked(given: Answers, *, with_l1: bool = True) -> dict[str, Check]:
    header = given.header if with_l1 else None
    return {check.name: check for check in live_checks(given.fee, given.parameters, given.vault, THRESHOLDS, header)}


def verdicts(given: Answers) -> dict[str, Verdict]:
    """What is not in order."""
    return {name: check.verdict for name, check in checked(given).items() if check.verdict is not Verdict.OK}


@pytest.mark.parametrize(
    "vault",
    [
        FULL_VAULT,
        replace(FULL_VAULT, balance=Wei(19 * ETHER // 2)),
        replace(FULL_VAULT, balance=Wei(11 * ETHER)),
        replace(FULL_VAULT, balance=Wei(11 * ETHER), surplus_discount=True),
    ],
    ids=["even", "deficit", "surplus", "discount"],
)
async def test_honest_answers_pass(vault: VaultState) -> None:
    given = await answers(vault=vault, base_fee=40 * GWEI)
    assert verdicts(given) == {}
    assert len(checked(given)) == len(checked(given, with_l1=False)) + 1 == 11


async def test_without_a_vault_it_is_said_and_no_failure() -> None:
    assert verdicts(await answers(vault=NO_VAULT)) == {"vault": Verdict.WARNING}


async def test_a_quote_that_depends_on_the_path_cannot_be_recomputed_from_here() -> None:
    for changes in ({"maxFeeIncrease": "0.125"}, {"controller": "legacy"}):
        found = checked(await answers(changes=dict(changes)))
        check = found["fee recomputed from its inputs"]
        assert check.verdict is Verdict.WARNING
        assert "`verify` recomputes it from the journal" in check.detail
        assert found["batch recomputed"].verdict is Verdict.OK


Lie = Callable[[Answers], object]


def _set(part: str, name: str, value: object) -> Lie:
    return lambda given: given.fee[part].__setitem__(name, value)


LIES: dict[str, tuple[Lie, set[str]]] = {
    "a component": (
        _set("components", "da", 4_500_000_001),
        {"components sum to the fee", "components recomputed"},
    ),
    "two components that still sum": (
        lambda given: given.fee["components"].update(da=4_500_000_001, proof=6_521_739_129),
        {"components recomputed"},
    ),
    "the fee": (
        lambda given: given.fee.update(feePerGas=12_521_739_132),
        {"components sum to the fee", "fee recomputed from its inputs", "batch recomputed"},
    ),
    "the fee and what follows from it": (
        lambda given: (
            given.fee.update(feePerGas=12_521_739_132),
            given.fee["components"].update(adjustment=2),
            given.fee["batch"].update(revenueWei="8640000001080000"),
        ),
        {"fee recomputed from its inputs", "components recomputed"},
    ),
    "the next fee": (
        lambda given: given.fee["next"].update(feePerGas=given.fee["next"]["feePerGas"] + 1),
        {"next block's fee recomputed"},
    ),
    "the next base fee": (
        _set("l1", "nextBaseFeePerGas", 25_100_000_001),
        {"L1 agrees", "next block's fee recomputed"},
    ),
    "a batch's cost": (_set("batch", "costWei", "7605000000000001"), {"batch recomputed"}),
    "a batch's revenue": (_set("batch", "revenueWei", "8640000000390001"), {"batch recomputed"}),
    "the recovery": (_set("batch", "costRecoveryRatio", 1.136094), {"batch recomputed"}),
    "a deficit": (_set("vault", "deficitWei", "-1"), {"vault"}),
    "an alpha": (
        lambda given: given.parameters["parameters"].update(alphaData="0.19"),
        {
            "batch recomputed",
            "components recomputed",
            "fee recomputed from its inputs",
            "next block's fee recomputed",
        },
    ),
    "another block hash": (_set("l1", "blockHash", "0x" + "1" * 64), {"L1 agrees"}),
    "another base fee": (
        _set("l1", "baseFeePerGas", 25_000_000_001),
        {"L1 agrees", "batch recomputed"},
    ),
    "staleness": (lambda given: given.fee.update(status="stale", staleReason="l1_late"), {"fresh"}),
}


@pytest.mark.parametrize(("lie", "named"), LIES.values(), ids=LIES)
async def test_a_lie_is_named(lie: Lie, named: set[str]) -> None:
    given = copy.deepcopy(await answers())
    lie(given)
    found = verdicts(given)
    assert named <= found.keys()
    assert set(found.values()) == {Verdict.FAILED}


async def test_an_l1_that_has_another_block_is_named_with_both_hashes() -> None:
    given = await answers()
    other = given._replace(header=replace(given.header, hash="0x" + "7" * 64))
    check = checked(other)["L1 agrees"]
    assert check.verdict is Verdict.FAILED
    assert given.header.hash in check.detail
    assert "0x" + "7" * 64 in check.detail


async def test_an_l1_with_another_base_fee_under_the_same_hash_is_named() -> None:
    given = await answers()
    header = replace(given.header, base_fee_per_gas=WeiPerGas(26 * GWEI))
    assert verdicts(given._replace(header=header)) == {"L1 agrees": Verdict.FAILED}


async def test_an_old_quote_is_not_fresh_and_says_why() -> None:
    check = checked(await answers(age_seconds=60))["fresh"]
    assert check.verdict is Verdict.FAILED
    assert check.detail == "stale (l1_unreachable), block 23882697"


@pytest.mark.parametrize("condition", [VaultCondition.HELD, VaultCondition.EXPIRED])
async def test_a_vault_that_cannot_be_read_is_named(condition: VaultCondition) -> None:
    given = await answers(vault=replace(FULL_VAULT, condition=condition))
    assert verdicts(given) == {"vault": Verdict.FAILED}
    assert condition.value in checked(given)["vault"].detail


@pytest.mark.parametrize(("balance", "verdict"), [(8 * ETHER, Verdict.OK), (8 * ETHER - 1, Verdict.FAILED)])
async def test_a_deficit_of_exactly_a_fifth_is_within_the_threshold(balance: int, verdict: Verdict) -> None:
    vault = VaultState(VaultSource.STATIC, balance=Wei(balance), target=Wei(10 * ETHER))
    assert checked(await answers(vault=vault))["vault"].verdict is verdict


@pytest.mark.parametrize(
    ("base_fee", "changes", "balance", "verdict"),
    [
        (25 * GWEI, {}, 10, Verdict.OK),
        (25 * GWEI, {}, 0, Verdict.FAILED),
        (110 * GWEI, {}, 10, Verdict.OK),
        (110 * GWEI, {}, 9, Verdict.FAILED),
        (111 * GWEI, {}, 10, Verdict.WARNING),
        (111 * GWEI, {}, 0, Verdict.WARNING),
        (100_000_000, {"baseFeeGwei": "0.5"}, 10, Verdict.FAILED),
    ],
)
async def test_a_fee_out_of_range_is_a_failure_unless_the_parameters_alone_exceed_it(
    base_fee: int, changes: dict[str, object], balance: int, verdict: Verdict
) -> None:
    """50 gwei is what the parameters make of 110.009 gwei: beyond it the threshold cannot be met."""
    vault = replace(FULL_VAULT, balance=Wei(balance * ETHER))
    given = await answers(base_fee=base_fee, changes=changes, vault=vault)
    assert checked(given)["fee within the alert's range"].verdict is verdict


@pytest.mark.parametrize(
    ("base_fee", "changes", "balance", "verdict"),
    [
        (25 * GWEI, {}, 10, Verdict.OK),
        (25 * GWEI, {}, 8, Verdict.FAILED),
        (11_342_000_000, {}, 10, Verdict.OK),
        (11_341_000_000, {}, 10, Verdict.WARNING),
        (11_341_000_000, {}, 0, Verdict.WARNING),
        (25 * GWEI, {"maxFeeGwei": "8"}, 10, Verdict.FAILED),
    ],
)
async def test_a_recovery_out_of_range_is_a_failure_unless_the_base_fee_alone_exceeds_it(
    base_fee: int, changes: dict[str, object], balance: int, verdict: Verdict
) -> None:
    """The recovery is 1.3 at 11.341 gwei: below it the threshold cannot be met."""
    vault = replace(FULL_VAULT, balance=Wei(balance * ETHER))
    given = await answers(base_fee=base_fee, changes=changes, vault=vault)
    assert checked(given)["cost recovery"].verdict is verdict


async def test_a_change_that_waits_for_the_next_head_fails_nothing() -> None:
    old, new = await answers(), await answers(changes={"alphaData": "0.2"})
    found = verdicts(old._replace(parameters=new.parameters))
    assert found == dict.fromkeys(("parameters", "fee recomputed from its inputs", "batch recomputed"), Verdict.WARNING)


async def test_a_batch_that_costs_nothing_has_no_recovery() -> None:
    given = await answers(changes={"alphaData": "0", "proofGasPerBatch": 0})
    assert checked(given)["cost recovery"].verdict is Verdict.WARNING
    assert checked(given)["batch recomputed"].verdict is Verdict.OK


@pytest.mark.parametrize(
    "spoil",
    [
        lambda given: given.fee.pop("l1"),
        lambda given: given.fee.update(vault=None),
        lambda given: given.parameters["parameters"].update(alphaData=0.18),
        lambda given: given.parameters["parameters"].update(surprise="1"),
        lambda given: given.fee["batch"].update(costWei="a lot"),
        lambda given: given.fee.update(feePerGas="12521739131"),
        lambda given: given.parameters.update(parameters=["alphaData"]),
    ],
    ids=["a part less", "no object", "a float", "an unknown key", "no number", "a text", "a list"],
)
async def test_what_is_no_oracle_s_answer_raises_what_is_expected(spoil: Lie) -> None:
    given = copy.deepcopy(await answers())
    spoil(given)
    with pytest.raises(UNUSABLE):
        checked(given)
