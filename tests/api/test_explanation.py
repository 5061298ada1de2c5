"""`GET /v1/fee?explain=true`: the words say what the numbers say."""

import json
import re
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.board import GREATEST_BLOCKS_ASKED, Published, prepared
from app.api.explanation import explained
from app.domain.formula import PathPoint
from app.domain.freshness import Freshness, FreshnessPolicy, Witnesses, judge
from app.domain.parameters import Controller, Parameters
from app.domain.units import UnixMillis, UnixSeconds, Wei, WeiPerGas
from app.domain.vault import NO_VAULT, VaultCondition, VaultSource, VaultState
from tests.api.house import BORN, FULL_VAULT, NO_WITNESS, HandClock, build_house, sample_quote
from tests.domain.build import a_quote, a_vault, adjusted, deficits, fees, headers, parameter_sets

GWEI = 10**9
ETHER = 10**18
DECIMAL = r"-?[0-9]+(?:\.[0-9]+)?"
NUMBER = f"({DECIMAL})"
POLICY = FreshnessPolicy()

EXAMPLE = [
    "L1 base fee: 25 gwei at block 23882697, derived anew from its parent",
    "Vault: 10 of 10 ETH (onchain), so the deficit is 0 ETH",
    "Data availability, α·B: 0.18 L1 gas per L2 gas × 25 gwei = 4.5 gwei",
    "Proofs, P·B/G: 180000 L1 gas × 25 gwei / 690000 L2 gas = 6.52173913 gwei",
    "Vault deficit, ν·D/(H·G): 0.2 × 0 ETH / (72 batches × 690000 L2 gas) = 0 gwei",
    "Base fee: operating cost = 1.5 gwei",
    (
        "Raw fee: the exact sum of these, rounded up once = 12.521739131 gwei; rounded down to whole wei each, they sum"
        " to 12.52173913 gwei, 1 wei less"
    ),
    "Bounds: 0 to 1000 gwei: unchanged at 12.521739131 gwei",
    "Rate limit: none is set",
    "Adjustment: rounding 1 wei, bounds 0 wei, rate limit 0 wei = 1 wei",
    "Fee: 4.5 + 6.52173913 + 0 + 1.5 + 0.000000001 = 12.521739131 gwei per L2 gas, which is 12521739131 wei",
    (
        "Freshness: the L1 head is of 2025-11-26T11:43:23.000Z; fresh until 2025-11-26T11:44:11.000Z, then stale, and"
        " served until 2025-11-26T11:46:23.000Z"
    ),
    "Next block, 23882698: the L1 base fee is exactly 25.1 gwei, the fee 12.565826087 gwei",
    (
        "Batch: costs 304200 L1 gas × 25 gwei = 0.007605 ETH, earns 12.521739131 gwei × 690000 L2 gas"
        " = 0.00864000000039 ETH: cost recovery 1.136095"
    ),
]
"""Of the contract's example, to the letter."""


def words(steps: list[dict[str, Any]]) -> dict[str, str]:
    return {step["term"]: step["text"] for step in steps}


async def explanation(path: str = "/v1/fee?explain=true", **house: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - keywords
    response = await build_house(**house).get(path)
    assert response.status_code == 200
    steps: list[dict[str, Any]] = response.json()["explanation"]
    return steps


async def test_the_contracts_example_is_explained_to_the_letter() -> None:
    steps = await explanation(quote=sample_quote())
    assert [step["text"] for step in steps] == EXAMPLE
    assert [(step["term"], step["value"], step["unit"]) for step in steps] == [
        ("l1BaseFee", "25000000000", "wei per L1 gas"),
        ("vault", "0", "wei"),
        ("da", "4500000000", "wei per L2 gas"),
        ("proof", "6521739130", "wei per L2 gas"),
        ("deficit", "0", "wei per L2 gas"),
        ("base", "1500000000", "wei per L2 gas"),
        ("raw", "12521739131", "wei per L2 gas"),
        ("bounds", "12521739131", "wei per L2 gas"),
        ("rateLimit", "12521739131", "wei per L2 gas"),
        ("adjustment", "1", "wei per L2 gas"),
        ("fee", "12521739131", "wei per L2 gas"),
        ("freshness", "1764157451000", "Unix milliseconds"),
        ("next", "12565826087", "wei per L2 gas"),
        ("costRecovery", "1.136095", "ratio"),
    ]


async def test_it_is_the_last_member_of_the_same_body() -> None:
    house = build_house(quote=sample_quote())
    plain, explaining = await house.get("/v1/fee?blocks=5"), await house.get("/v1/fee?blocks=5&explain=true")
    document = explaining.json()
    assert list(document)[-1] == "explanation"
    del document["explanation"]
    assert document == plain.json()
    assert explaining.headers["etag"] == plain.headers["etag"]
    assert explaining.content.startswith(plain.content[:-1] + b',"explanation":[')
    assert "α·B" in explaining.content.decode("utf-8")
    assert (await house.get("/v1/fee?explain=false")).content == (await house.get("/v1/fee")).content


@pytest.mark.parametrize("value", ["1", "TRUE", "yes", ""])
async def test_it_is_asked_for_by_true_and_by_nothing_else(value: str) -> None:
    response = await build_house(quote=sample_quote()).get(f"/v1/fee?explain={value}")
    assert response.status_code == 422
    assert response.json()["errors"][0]["allowed"] == "true or false"


async def test_the_words_stay_while_the_status_does() -> None:
    house = build_house(quote=sample_quote())
    first = (await house.get("/v1/fee?explain=true")).content
    house.clock.pass_seconds(40)
    assert (await house.get("/v1/fee?explain=true")).content == first


async def test_a_stale_quote_says_since_when_and_why_and_what_the_fee_may_be_by_now() -> None:
    house = build_house(quote=sample_quote())
    house.clock.pass_seconds(60)
    house.board.feed(NO_WITNESS)
    document = (await house.get("/v1/fee?explain=true")).json()
    said = words(document["explanation"])
    assert said["freshness"] == (
        "Freshness: the L1 head is of 2025-11-26T11:43:23.000Z; stale since 2025-11-26T11:44:11.000Z: no L1 provider"
        " could be read; served until 2025-11-26T11:46:23.000Z"
    )
    assert said["ceiling"] == "Greatest fee possible by now, had blocks been missed: 19.225376735 gwei"
    assert document["ceilingFeePerGas"] == 19_225_376_735


async def test_a_reader_s_own_limits_are_explained_too() -> None:
    said = words(await explanation("/v1/fee?explain=true&blocks=3&maxAgeSeconds=20", quote=sample_quote()))
    assert said["freshness"].endswith("served until 2025-11-26T11:43:43.000Z")
    assert said["maxFee"] == (
        "Greatest fee possible at this head or in the 3 blocks after it, with the vault unchanged: 15.50521104 gwei"
    )


async def test_an_expired_quote_is_a_problem_and_not_explained() -> None:
    house = build_house(quote=sample_quote())
    house.clock.pass_seconds(200)
    response = await house.get("/v1/fee?explain=true")
    assert response.status_code == 503
    assert "explanation" not in response.text


@pytest.mark.parametrize(
    ("vault", "sentence"),
    [
        (NO_VAULT, "Vault: none is configured, so the deficit is 0 ETH"),
        (
            replace(FULL_VAULT, balance=Wei(ETHER), condition=VaultCondition.HELD),
            "Vault: 1 of 10 ETH (onchain; held, since the last reading failed), so the deficit is 9 ETH",
        ),
        (
            replace(FULL_VAULT, balance=Wei(ETHER), condition=VaultCondition.EXPIRED),
            (
                "Vault: 1 of 10 ETH (onchain; expired, since no reading has succeeded for too long),"
                " so the deficit is 9 ETH"
            ),
        ),
        (
            VaultState(VaultSource.PUSH, Wei(12 * ETHER), Wei(10 * ETHER)),
            "Vault: 12 of 10 ETH (push), a surplus of 2 ETH, which gives no discount: the deficit is 0 ETH",
        ),
        (
            VaultState(VaultSource.STATIC, Wei(12 * ETHER), Wei(10 * ETHER), surplus_discount=True),
            "Vault: 12 of 10 ETH (static), a surplus of 2 ETH, which gives a discount: the deficit is -2 ETH",
        ),
    ],
)
async def test_the_vault_is_said_as_it_is(vault: VaultState, sentence: str) -> None:
    assert words(await explanation(quote=sample_quote(vault=vault)))["vault"] == sentence


def limited(previous: int | None, **parameters: Any) -> dict[str, str]:  # noqa: ANN401 - fields of Parameters, by name
    point = PathPoint(None if previous is None else WeiPerGas(previous))
    quote = a_quote(sample_quote().header, parameters=adjusted(Parameters(), **parameters), previous=point)
    return words(steps_of(served(quote)))


@pytest.mark.parametrize(
    ("previous", "parameters", "term", "sentence"),
    [
        (
            10 * GWEI,
            {"max_fee_increase": Fraction(1, 10), "max_fee_decrease": Fraction(1, 8)},
            "rateLimit",
            (
                "Rate limit: after 10 gwei at the parent block, κ↑ 0.1 allows at most 11 gwei and κ↓ 0.125 allows at"
                " least 8.75 gwei: lowered from 12.521739131 to 11 gwei"
            ),
        ),
        (
            20 * GWEI,
            {"max_fee_decrease": Fraction(1, 8)},
            "rateLimit",
            (
                "Rate limit: after 20 gwei at the parent block, κ↓ 0.125 allows at least 17.5 gwei: raised from"
                " 12.521739131 to 17.5 gwei"
            ),
        ),
        (
            None,
            {"max_fee_increase": Fraction(1, 10)},
            "rateLimit",
            "Rate limit: none applies, since the parent block's fee is not known",
        ),
        (
            0,
            {"max_fee_increase": Fraction(1, 10)},
            "rateLimit",
            "Rate limit: none applies, since the parent block's fee was 0",
        ),
        (None, {"max_fee": 10 * GWEI}, "bounds", "Bounds: 0 to 10 gwei: lowered from 12.521739131 to 10 gwei"),
        (
            None,
            {"min_fee": 15 * GWEI},
            "adjustment",
            "Adjustment: rounding 1 wei, bounds 2478260869 wei, rate limit 0 wei = 2478260870 wei",
        ),
        (
            20 * GWEI,
            {"max_fee": 15 * GWEI, "max_fee_decrease": Fraction(1, 8)},
            "boundsAgain",
            "Bounds once more: 0 to 15 gwei: lowered from 17.5 to 15 gwei",
        ),
    ],
)
def test_every_rule_that_shapes_the_fee_is_said(
    previous: int | None, parameters: dict[str, Any], term: str, sentence: str
) -> None:
    assert limited(previous, **parameters)[term] == sentence


def test_the_legacy_formula_has_a_derivation_of_its_own() -> None:
    parameters = adjusted(Parameters(), controller=Controller.LEGACY)
    first = words(steps_of(served(a_quote(sample_quote().header, parameters=parameters))))
    assert first["batchCost"] == "L1 cost of a batch, (α·G + P)·B: 304200 L1 gas × 25 gwei = 0.007605 ETH"
    assert first["smoothedCost"] == "Smoothed cost Ĉ: the cost itself, since no earlier one is known = 0.007605 ETH"
    assert first["da"] == "L1 cost, μ·Ĉ/G: 0.7 × 0.007605 ETH / 690000 L2 gas = 7.715217391 gwei"
    assert not first.keys() & {"proof", "base"}
    before = PathPoint(smoothed_cost=Wei(5 * 10**15))
    later = words(steps_of(served(a_quote(sample_quote().header, parameters=parameters, previous=before))))
    assert later["smoothedCost"] == (
        "Smoothed cost Ĉ: 0.9 × 0.005 ETH + 0.1 × 0.007605 ETH, rounded up = 0.0052605 ETH"
    )


async def test_an_unverified_base_fee_is_said_to_be_one() -> None:
    unverified = replace(served(sample_quote()), base_fee_verified=False)
    assert words(steps_of(unverified))["l1BaseFee"].endswith("not derived anew from its parent")


def served(quote: Any) -> Published:  # noqa: ANN401 - a Quote
    return prepared(quote, UnixMillis(BORN + 1_512), POLICY, HandClock(), base_fee_verified=True)


def freshness_of(published: Published, age_seconds: int) -> Freshness:
    return judge(published.born, UnixMillis(published.born + 1000 * age_seconds), POLICY, Witnesses(1))


def steps_of(published: Published, age_seconds: int = 1, blocks: int | None = None) -> list[dict[str, Any]]:
    """The explanation as it is served."""
    freshness = freshness_of(published, age_seconds)
    document = json.loads(explained(published.body(freshness, blocks), published, freshness, blocks))
    steps: list[dict[str, Any]] = document["explanation"]
    return steps


def found(pattern: str, text: str) -> tuple[Fraction, ...]:
    """The numbers of `text`, which is all of `pattern`, where # stands for a number."""
    match = re.fullmatch(re.escape(pattern).replace(r"\#", NUMBER), text)
    assert match is not None, (pattern, text)
    return tuple(map(Fraction, match.groups()))


def moved(rule: str, text: str) -> tuple[Fraction, Fraction]:
    """From and to, in wei, of the sentence of a rule."""
    if match := re.fullmatch(rule + f"unchanged at {NUMBER} gwei", text):
        before = after = Fraction(match[1])
    else:
        match = re.fullmatch(rule + f"(raised|lowered) from {NUMBER} to {NUMBER} gwei", text)
        assert match is not None, text
        before, after = Fraction(match[2]), Fraction(match[3])
        assert (match[1] == "raised") == (after > before)
    return before * GWEI, after * GWEI


def raw_parts(said: dict[str, str]) -> list[tuple[Fraction, Fraction]]:
    """Of each part of the raw fee, from its sentence, in wei: the term's exact value, and what it is said to be."""
    weight, deficit, horizon, gas, healing = found(
        "Vault deficit, ν·D/(H·G): # × # ETH / (# batches × # L2 gas) = # gwei", said["deficit"]
    )
    heal = (weight * deficit * ETHER / (horizon * gas), healing * GWEI)
    if "smoothedCost" in said:
        mu, smoothed, gas, part = found("L1 cost, μ·Ĉ/G: # × # ETH / # L2 gas = # gwei", said["da"])
        return [(mu * smoothed * ETHER / gas, part * GWEI), heal]
    alpha, price, data = found("Data availability, α·B: # L1 gas per L2 gas × # gwei = # gwei", said["da"])
    proof_gas, proof_price, gas, proof = found("Proofs, P·B/G: # L1 gas × # gwei / # L2 gas = # gwei", said["proof"])
    (base,) = found("Base fee: operating cost = # gwei", said["base"])
    assert price == proof_price
    return [
        (alpha * price * GWEI, data * GWEI),
        (proof_gas * price * GWEI / gas, proof * GWEI),
        heal,
        (base * GWEI, base * GWEI),
    ]


@given(
    parameters=parameter_sets(),
    header=headers(),
    deficit=deficits,
    previous_fee=fees | st.none() | st.just(WeiPerGas(0)),
    smoothed=st.integers(0, 10**18).map(Wei) | st.none(),
    blocks=st.integers(1, GREATEST_BLOCKS_ASKED),
)
def test_the_numbers_of_the_words_satisfy_the_equations(
    *,
    parameters: Parameters,
    header: Any,  # noqa: ANN401 - an L1Header
    deficit: int,
    previous_fee: WeiPerGas | None,
    smoothed: Wei | None,
    blocks: int,
) -> None:
    quote = a_quote(
        replace(header, timestamp=UnixSeconds(BORN // 1000)),
        parameters=parameters,
        vault=a_vault(deficit),
        previous=PathPoint(previous_fee, smoothed),
    )
    published = served(quote)
    steps = steps_of(published, age_seconds=60, blocks=blocks)
    said, values = words(steps), {step["term"]: step["value"] for step in steps}
    body = json.loads(published.body(freshness_of(published, 60), blocks))
    fee = body["feePerGas"]

    parts = raw_parts(said)
    assert [floor(exact) for exact, _ in parts] == [part for _, part in parts]
    raw, floored, rounding = found(
        "Raw fee: the exact sum of these, rounded up once = # gwei; rounded down to whole wei each, they sum to # gwei,"
        " # wei less",
        said["raw"],
    )
    assert raw * GWEI == ceil(sum(exact for exact, _ in parts)) == int(values["raw"])
    assert floored * GWEI == sum(part for _, part in parts) == raw * GWEI - rounding

    limits = rf"{DECIMAL} to {DECIMAL} gwei: "
    rules = [moved("Bounds: " + limits, said["bounds"])]
    rate_limit = re.match(r"Rate limit: after .*?: ", said["rateLimit"])
    if rate_limit is not None:
        assert_rate_limit(rate_limit[0])
        rules.append(moved(re.escape(rate_limit[0]), said["rateLimit"]))
    if "boundsAgain" in said:
        rules.append(moved("Bounds once more: " + limits, said["boundsAgain"]))
    assert rules[0][0] == raw * GWEI
    assert all(earlier[1] == later[0] for earlier, later in pairwise(rules))
    assert rules[-1][1] == fee

    adjusted_by = found("Adjustment: rounding # wei, bounds # wei, rate limit # wei = # wei", said["adjustment"])
    assert sum(adjusted_by[:3]) == adjusted_by[3] == int(values["adjustment"])
    sum_text, _, total = said["fee"].removeprefix("Fee: ").partition(" = ")
    addends = [Fraction(text) for text in sum_text.replace("- ", "-").replace("+ ", "").split(" ")]
    in_gwei, in_wei = found("# gwei per L2 gas, which is # wei", total)
    assert sum(addends) == in_gwei
    assert in_gwei * GWEI == in_wei == fee
    assert [addend * GWEI for addend in addends] == [*(part for _, part in parts), adjusted_by[3]]

    assert_the_rest(said, values, body)


def assert_rate_limit(text: str) -> None:
    """Each end is what DESIGN's rule makes of the fee and the κ in the same sentence."""
    (previous,) = found("after # gwei", re.findall(r"after \S+ gwei", text)[0])
    before = previous * GWEI
    ends = re.findall(rf"κ(.) {NUMBER} allows at (?:most|least) {NUMBER} gwei", text)
    assert ends
    for direction, share, limit in ends:
        if direction == "↑":
            assert Fraction(limit) * GWEI == max(before + 1, floor(before * (1 + Fraction(share))))
        else:
            assert Fraction(limit) * GWEI == min(before - 1, ceil(before * (1 - Fraction(share))))


def assert_the_rest(said: dict[str, str], values: dict[str, str | None], body: dict[str, Any]) -> None:
    """Vault, freshness, next block, greatest fees and cost recovery agree with the body's members."""
    assert Fraction(re.findall(rf"deficit is {NUMBER} ETH$", said["vault"])[0]) * ETHER == int(values["vault"] or "")
    number, base_fee, fee = found("Next block, #: the L1 base fee is exactly # gwei, the fee # gwei", said["next"])
    assert (number, fee * GWEI) == (body["next"]["blockNumber"], body["next"]["feePerGas"])
    assert base_fee * GWEI == body["l1"]["nextBaseFeePerGas"]
    (ceiling,) = found("Greatest fee possible by now, had blocks been missed: # gwei", said["ceiling"])
    assert ceiling * GWEI == body["ceilingFeePerGas"]
    blocks, greatest = found(
        "Greatest fee possible at this head or in the # blocks after it, with the vault unchanged: # gwei",
        said["maxFee"],
    )
    assert greatest * GWEI == body["maxFeePerGas"]
    assert 1 <= blocks <= GREATEST_BLOCKS_ASKED
    batch, _, recovery = said["costRecovery"].rpartition(": ")
    l1_gas, price, cost, fee, l2_gas, revenue = found(
        "Batch: costs # L1 gas × # gwei = # ETH, earns # gwei × # L2 gas = # ETH", batch
    )
    assert ceil(l1_gas * price * GWEI) == cost * ETHER == int(body["batch"]["costWei"])
    assert fee * GWEI * l2_gas == revenue * ETHER == int(body["batch"]["revenueWei"])
    if cost:
        (ratio,) = found("cost recovery #", recovery)
        assert ratio == round(revenue / cost, 6)
        assert Fraction(values["costRecovery"] or "") == ratio
    else:
        assert (recovery, values["costRecovery"]) == ("there is no cost to recover", None)
    assert str(UnixMillis(BORN + 180_000)) == values["freshness"]
