"""Changes of the parameters as people ask for them, and what they do to a running path."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.advance import OracleState, advance
from app.domain.amendment import (
    LONGEST_REASON,
    Amendment,
    AmendmentRefusedError,
    OtherParametersError,
    outlook,
    reason_of,
    tag_of,
)
from app.domain.errors import InvalidValueError
from app.domain.formula import Bound, FeeFormula
from app.domain.header import L1Header
from app.domain.parameter_set import ParameterSet, ParameterSource
from app.domain.parameters import Controller, Parameters
from app.domain.quote import Quote
from tests.domain import reference
from tests.domain.build import DEFAULTS, ETHER, GWEI, a_header, a_vault, adjusted, an_observation, parameter_sets

ENVIRONMENT = ParameterSet().changed({"baseFeeGwei": "0.9"}, ParameterSource.ENVIRONMENT)
IN_FORCE = ENVIRONMENT.changed({"alphaData": "0.3"})
LEGACY = adjusted(DEFAULTS, controller=Controller.LEGACY)
EIGHTH = Fraction(1, 8)


def a_path(*base_fees_gwei: int) -> list[L1Header]:
    """Consecutive blocks at these base fees."""
    return [a_header(base_fee=gwei * GWEI, number=100 + place) for place, gwei in enumerate(base_fees_gwei)]


def priced(path: list[L1Header], *parameters: Parameters) -> list[Quote]:
    """The quotes along `path`, each block under the parameters in force then."""
    state, quotes = OracleState(), []
    for header, chosen in zip(path, parameters, strict=True):
        state, quote = advance(state, an_observation(header), FeeFormula.of(chosen))
        quotes.append(quote)
    return quotes


class TestAnAmendment:
    def test_is_applied_to_what_is_in_force(self) -> None:
        amendment = Amendment(changes={"horizonBatches": 48}, actor="ops")
        assert amendment.applied_to(IN_FORCE, ENVIRONMENT, 7) == IN_FORCE.changed({"horizonBatches": 48})

    def test_unsets_to_the_environment(self) -> None:
        amendment = Amendment(changes={"alphaData": None}, actor="ops")
        assert amendment.applied_to(IN_FORCE, ENVIRONMENT, 7) == ENVIRONMENT

    def test_without_changes_drops_every_override(self) -> None:
        assert Amendment(changes=None, actor="ops").applied_to(IN_FORCE, ENVIRONMENT, 7) == ENVIRONMENT

    def test_names_every_problem(self) -> None:
        amendment = Amendment(changes={"alphaDate": "1", "alphaData": "-1", "preset": "reckless"}, actor="ops")
        with pytest.raises(AmendmentRefusedError) as refusal:
            amendment.applied_to(IN_FORCE, ENVIRONMENT, 7)
        assert {problem.name for problem in refusal.value.problems} == {"alphaDate", "alphaData", "preset"}

    @pytest.mark.parametrize("changes", [None, {"alphaData": "0.1"}, {"alphaData": "-1"}])
    def test_that_is_meant_for_others_is_refused_whatever_it_asks(self, changes: dict[str, object] | None) -> None:
        other = ENVIRONMENT.parameters.parameters_id
        with pytest.raises(OtherParametersError) as refusal:
            Amendment(changes=changes, actor="ops", expected=(other, "x")).applied_to(IN_FORCE, ENVIRONMENT, 7)
        assert (refusal.value.expected, refusal.value.found) == ((other, "x"), IN_FORCE.parameters.parameters_id)

    def test_that_is_meant_for_one_of_several_is_taken(self) -> None:
        for named in (IN_FORCE.parameters.parameters_id, tag_of(IN_FORCE, 7)):
            amendment = Amendment(changes=None, actor="ops", expected=("x", named))
            assert amendment.applied_to(IN_FORCE, ENVIRONMENT, 7) == ENVIRONMENT

    def test_that_is_meant_for_the_same_values_of_another_change_is_refused(self) -> None:
        with pytest.raises(OtherParametersError):
            Amendment(changes=None, actor="ops", expected=(tag_of(IN_FORCE, 6),)).applied_to(IN_FORCE, ENVIRONMENT, 7)


class TestAReason:
    @given(
        text=st.text(
            st.characters(exclude_categories=["C", "Z"], include_characters=" "), min_size=1, max_size=LONGEST_REASON
        )
    )
    def test_is_kept_to_the_letter(self, text: str) -> None:
        if text.strip():
            assert reason_of(text) == text
        else:
            with pytest.raises(InvalidValueError):
                reason_of(text)

    @given(text=st.text(max_size=20), control=st.characters(categories=["C", "Zl", "Zp"]), rest=st.text(max_size=20))
    def test_with_anything_that_is_not_seen_is_refused(self, text: str, control: str, rest: str) -> None:
        with pytest.raises(InvalidValueError, match=r"^reason: "):
            reason_of(text + control + rest)

    def test_may_be_left_out_and_not_be_empty(self) -> None:
        assert reason_of(None) is None
        for value in ("", " ", "x" * (LONGEST_REASON + 1), 1, ["x"]):
            with pytest.raises(InvalidValueError):
                reason_of(value)


class TestSwitchingTheController:
    def test_to_legacy_starts_the_smoothed_cost_at_its_first_block(self) -> None:
        quotes = priced(a_path(100, 100, 25, 100), DEFAULTS, DEFAULTS, LEGACY, LEGACY)
        assert [quote.price.smoothed_cost for quote in quotes] == [
            None,
            None,
            7_605_000_000_000_000,  # the cost at 25 gwei, and nothing of the blocks before
            9_886_500_000_000_000,  # 0.9 · 7605 + 0.1 · 30420
        ]
        assert [quote.price.fee for quote in quotes] == [
            45_586_956_522,
            45_586_956_522,
            7_715_217_392,  # 0.7 · 7605e12 / 690000, rounded up
            10_029_782_609,  # 0.7 · 9886.5e12 / 690000, rounded up
        ]

    def test_back_and_to_legacy_again_starts_it_anew(self) -> None:
        quotes = priced(a_path(100, 25, 100, 25, 25), LEGACY, LEGACY, DEFAULTS, LEGACY, LEGACY)
        assert [quote.price.smoothed_cost for quote in quotes] == [
            30_420_000_000_000_000,
            28_138_500_000_000_000,
            None,
            7_605_000_000_000_000,
            7_605_000_000_000_000,
        ]
        assert [quote.price.fee for quote in quotes[2:]] == [45_586_956_522, 7_715_217_392, 7_715_217_392]

    def test_leaves_the_fee_to_go_on_from_under_a_rate_limit(self) -> None:
        limits = {"max_fee_increase": EIGHTH, "max_fee_decrease": EIGHTH}
        alpha, legacy = adjusted(DEFAULTS, **limits), adjusted(LEGACY, **limits)
        quotes = priced(a_path(25, 25, 25, 25), alpha, legacy, legacy, alpha)
        assert [(quote.price.fee, quote.price.bound) for quote in quotes] == [
            (12_521_739_131, Bound.NONE),
            (10_956_521_740, Bound.RATE_DOWN),  # ⌈7/8⌉ of it, on the way to 7715217392
            (9_586_956_523, Bound.RATE_DOWN),
            (10_785_326_088, Bound.RATE_UP),  # ⌊9/8⌋ of it, on the way back
        ]

    def test_smooths_the_cost_that_the_parameters_of_each_block_make(self) -> None:
        lower = adjusted(LEGACY, alpha_data=Fraction(16, 100))
        quotes = priced(a_path(25, 25), LEGACY, lower)
        assert [quote.price.smoothed_cost for quote in quotes] == [
            7_605_000_000_000_000,
            7_570_500_000_000_000,  # 0.9 · 7605 + 0.1 · (0.16 · 690000 + 180000) · 25 gwei
        ]

    def test_on_another_branch_starts_where_that_branch_does(self) -> None:
        """A reorg to before the switch: its first legacy block is another one, at another cost."""
        path = a_path(100, 25, 25)
        state = OracleState()
        for header, chosen in zip(path, (DEFAULTS, LEGACY, LEGACY), strict=True):
            state, _ = advance(state, an_observation(header), FeeFormula.of(chosen))
        rival = a_header(base_fee=100 * GWEI, number=101, name="rival", parent="block 100")
        _, quote = advance(state, an_observation(rival), FeeFormula.of(LEGACY))
        assert quote.price.smoothed_cost == 30_420_000_000_000_000


class TestTheOutlook:
    def test_before_the_first_block_there_is_none(self) -> None:
        assert outlook(OracleState(), DEFAULTS) is None

    def test_of_a_lower_alpha_is_the_documents_adjustment(self) -> None:
        state, quote = advance(OracleState(), an_observation(a_header()), FeeFormula.of(DEFAULTS))
        seen = outlook(state, adjusted(DEFAULTS, alpha_data=Fraction(16, 100)))
        assert seen is not None
        assert (seen.quote, seen.quote.price.fee) == (quote, 12_521_739_131)
        assert (seen.amended.price.fee, seen.next_fee) == (12_021_739_131, 12_021_739_131)

    def test_to_legacy_starts_the_smoothed_cost_at_the_block_that_it_is_for(self) -> None:
        path = a_path(100, 25)
        state = OracleState()
        for header in path:
            state, _ = advance(state, an_observation(header), FeeFormula.of(DEFAULTS))
        seen = outlook(state, LEGACY)
        assert seen is not None
        assert (seen.amended.price.fee, seen.next_fee) == (7_715_217_392, 7_715_217_392)

    @given(before=parameter_sets(), after=parameter_sets(), deficit=st.integers(-10 * ETHER, 10 * ETHER))
    def test_of_the_next_block_is_what_it_turns_out_to_be(
        self, before: Parameters, after: Parameters, deficit: int
    ) -> None:
        vault, state = a_vault(deficit), OracleState()
        for header in a_path(30, 25):
            state, _ = advance(state, an_observation(header, vault), FeeFormula.of(before))
        seen = outlook(state, after)
        assert seen is not None
        header = a_header(base_fee=seen.quote.next_base_fee, number=102)
        _, following = advance(state, an_observation(header, vault), FeeFormula.of(after))
        assert following.price.fee == seen.next_fee

    @given(before=parameter_sets(), after=parameter_sets(controller=Controller.ALPHA))
    def test_at_the_head_goes_on_from_the_parents_fee(self, before: Parameters, after: Parameters) -> None:
        state = OracleState()
        fees = []
        for header in a_path(30, 25):
            state, quote = advance(state, an_observation(header), FeeFormula.of(before))
            fees.append(quote.price.fee)
        seen = outlook(state, after)
        assert seen is not None
        raw = reference.alpha_raw(after, 25 * GWEI, 0)
        assert seen.amended.price.fee == reference.fee(after, raw, fees[0])
