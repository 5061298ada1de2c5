"""Which vault follows from what is given."""

import pytest

from app.domain.units import Wei
from app.domain.vault import VaultAddress, VaultLayer, VaultPlan, VaultSource
from tests.settings.given import ADDRESS, TOKEN, load, problems, settings


class TestVault:
    @pytest.mark.parametrize(
        ("variables", "plan"),
        [
            ({}, VaultPlan()),
            (
                {"TAIKO_VAULT_BALANCE_ETH": "0.9", "TAIKO_VAULT_TARGET_ETH": "1", "TAIKO_SURPLUS_DISCOUNT": "true"},
                VaultPlan(
                    source=VaultSource.STATIC, balance=Wei(9 * 10**17), target=Wei(10**18), surplus_discount=True
                ),
            ),
            (
                {
                    "TAIKO_VAULT_ADDRESSES": f"l1:{ADDRESS.upper().replace('X', 'x')}",
                    "TAIKO_VAULT_TARGET_ETH": "0",
                    "TAIKO_VAULT_MAX_AGE_SECONDS": "60",
                },
                VaultPlan(
                    source=VaultSource.ONCHAIN,
                    target=Wei(0),
                    addresses=(VaultAddress(VaultLayer.L1, ADDRESS),),
                    max_age_seconds=60,
                ),
            ),
            ({"TAIKO_VAULT_SOURCE": "None"}, VaultPlan()),
            (
                {"TAIKO_VAULT_SOURCE": "push", "TAIKO_VAULT_TARGET_ETH": "1", "TAIKO_ADMIN_TOKEN": TOKEN},
                VaultPlan(source=VaultSource.PUSH, target=Wei(10**18)),
            ),
        ],
    )
    def test_the_source_follows_from_what_is_given(self, variables: dict[str, str], plan: VaultPlan) -> None:
        assert settings(**variables).vault_plan() == plan

    @pytest.mark.parametrize(
        ("variables", "line"),
        [
            ({"TAIKO_VAULT_BALANCE_ETH": "1"}, "TAIKO_VAULT_TARGET_ETH: not set"),
            ({"TAIKO_VAULT_ADDRESSES": f"l1:{ADDRESS}"}, "TAIKO_VAULT_TARGET_ETH: not set"),
            (
                {"TAIKO_VAULT_SOURCE": "static", "TAIKO_VAULT_TARGET_ETH": "1"},
                "TAIKO_VAULT_BALANCE_ETH: not set",
            ),
            (
                {"TAIKO_VAULT_SOURCE": "onchain", "TAIKO_VAULT_TARGET_ETH": "1"},
                "TAIKO_VAULT_ADDRESSES: not set",
            ),
            (
                {
                    "TAIKO_VAULT_ADDRESSES": f"l1:{ADDRESS}",
                    "TAIKO_VAULT_BALANCE_ETH": "1",
                    "TAIKO_VAULT_TARGET_ETH": "1",
                },
                "TAIKO_VAULT_ADDRESSES and TAIKO_VAULT_BALANCE_ETH: both are set",
            ),
            (
                {"TAIKO_VAULT_ADDRESSES": f"l2:{ADDRESS}", "TAIKO_VAULT_TARGET_ETH": "1"},
                "TAIKO_L2_RPC_URLS: not set",
            ),
            ({"TAIKO_VAULT_SOURCE": "push", "TAIKO_ADMIN_TOKEN": TOKEN}, "TAIKO_VAULT_TARGET_ETH: not set"),
            (
                {"TAIKO_VAULT_SOURCE": "push", "TAIKO_VAULT_TARGET_ETH": "1"},
                "TAIKO_VAULT_SOURCE: got 'push', expected TAIKO_ADMIN_TOKEN or TAIKO_ADMIN_TOKENS_FILE beside it",
            ),
        ],
    )
    def test_two_sources_or_half_of_one_stop_the_start(self, variables: dict[str, str], line: str) -> None:
        (found,) = problems(**variables)
        assert found.startswith(line)

    @pytest.mark.parametrize(
        ("source", "given", "named"),
        [
            ("none", ("ADDRESSES", "BALANCE_ETH", "TARGET_ETH"),
             "TAIKO_VAULT_ADDRESSES, TAIKO_VAULT_BALANCE_ETH or TAIKO_VAULT_TARGET_ETH"),
            ("none", ("BALANCE_ETH", "TARGET_ETH"), "TAIKO_VAULT_BALANCE_ETH or TAIKO_VAULT_TARGET_ETH"),
            ("none", ("ADDRESSES",), "TAIKO_VAULT_ADDRESSES"),
            ("none", ("TARGET_ETH",), "TAIKO_VAULT_TARGET_ETH"),
            ("static", ("ADDRESSES", "BALANCE_ETH", "TARGET_ETH"), "TAIKO_VAULT_ADDRESSES"),
            ("onchain", ("ADDRESSES", "BALANCE_ETH", "TARGET_ETH"), "TAIKO_VAULT_BALANCE_ETH"),
            ("push", ("ADDRESSES", "BALANCE_ETH", "TARGET_ETH"), "TAIKO_VAULT_ADDRESSES or TAIKO_VAULT_BALANCE_ETH"),
        ],
    )  # fmt: skip
    def test_inputs_of_another_source_than_the_named_one_stop_the_start(
        self, source: str, given: tuple[str, ...], named: str
    ) -> None:
        values = {"ADDRESSES": f"l1:{ADDRESS}", "BALANCE_ETH": "1", "TARGET_ETH": "2"}
        variables = {f"TAIKO_VAULT_{name}": values[name] for name in given}
        (line,) = problems(TAIKO_VAULT_SOURCE=source, TAIKO_ADMIN_TOKEN=TOKEN, **variables)
        assert (
            line
            == f"TAIKO_VAULT_SOURCE: got '{source}', which takes no {named}: expected another source, or them unset"
        )

    def test_another_sources_input_and_a_missing_one_are_both_said(self) -> None:
        lines = problems(TAIKO_VAULT_SOURCE="static", TAIKO_VAULT_ADDRESSES=f"l1:{ADDRESS}", TAIKO_VAULT_TARGET_ETH="1")
        assert [line.split(":")[0] for line in lines] == ["TAIKO_VAULT_SOURCE", "TAIKO_VAULT_BALANCE_ETH"]

    def test_a_target_without_a_vault_is_said_to_have_no_effect(self) -> None:
        loaded = load(TAIKO_VAULT_TARGET_ETH="2")
        assert loaded.settings.vault_plan() == VaultPlan()
        assert [warning.split()[0] for warning in loaded.warnings] == ["TAIKO_VAULT_TARGET_ETH"]
