"""`quote`."""

import re

import pytest

from app.api.examples.quote import WHAT_IF
from app.domain.derivation import Derivation, price_steps, recovery_step
from app.domain.units import Wei
from app.domain.vault import VaultSource, VaultState
from app.engine.ports import UpstreamError
from tests.cli.command_line import NODE, SECRET, CommandLine, head
from tests.domain.build import a_header, a_quote


class TestQuote:
    @pytest.mark.parametrize(
        ("base_fee", "fee", "cost", "recovery"),
        [
            ("25", 12_521_739_131, "7605000000000000", 1.136095),
            ("100", 45_586_956_522, "30420000000000000", 1.034024),
            ("0.075", 1_533_065_218, "22815000000000", 46.364892),
        ],
    )
    def test_the_golden_numbers(self, cli: CommandLine, base_fee: str, fee: int, cost: str, recovery: float) -> None:
        outcome = cli("quote", "--l1-base-fee-gwei", base_fee, "--json")
        assert outcome.status == 0
        assert outcome.document["feePerGas"] == fee
        assert outcome.document["batch"]["costWei"] == cost
        assert outcome.document["batch"]["costRecoveryRatio"] == recovery
        assert outcome.err == ""

    def test_the_fields_are_those_of_the_http_answer(self, cli: CommandLine) -> None:
        document = cli("quote", "--l1-base-fee-wei", "25000000000", "--json").document
        example = WHAT_IF | {"parameters": document["parameters"]}
        assert list(document) == list(example)
        for name in ("components", "l1", "next", "vault", "batch"):
            assert list(document[name]) == list(example[name])
        assert (document["network"], document["l1"]["baseFeePerGas"]) == (None, 25 * 10**9)
        assert document["computedAt"] == "2025-11-26T11:43:28.500Z"
        assert sum(document["components"].values()) == document["feePerGas"]
        assert document["parameters"]["alphaData"] == "0.18"

    @pytest.mark.parametrize("form", [(), ("--json",)])
    def test_a_result_that_leaves_what_json_holds_exactly_is_refused(
        self, cli: CommandLine, form: tuple[str, ...]
    ) -> None:
        outcome = cli("quote", "--l1-base-fee-wei", str(2**53 - 1), "--alpha-data", "10", *form)
        assert (outcome.status, outcome.out) == (2, "")
        assert outcome.err.startswith("error: rawFeePerGas")

    def test_the_derivation_shows_every_term_with_its_numbers(self, cli: CommandLine) -> None:
        shown = cli("quote", "--l1-base-fee-gwei", "25", "--deficit-eth", "-0.5").out
        assert "L2 fee       10.508856683 gwei per L2 gas = 10508856683 wei (no bound applied)" in shown
        assert re.search(r"Data availability +α·B +0\.18 L1 gas per L2 gas × 25 gwei +4\.5 gwei", shown)
        assert re.search(r"Proofs +P·B/G +180000 L1 gas × 25 gwei / 690000 L2 gas +6\.52173913 gwei", shown)
        healing = r"0\.2 × -0\.5 ETH / \(72 batches × 690000 L2 gas\) +-2\.012882448 gwei"
        assert re.search(rf"Vault deficit +ν·D/\(H·G\) +{healing}", shown)

    def test_the_derivation_is_the_one_that_the_service_explains(self, cli: CommandLine) -> None:
        shown = cli("quote", "--l1-base-fee-gwei", "25").out.splitlines()
        quote = a_quote(a_header(base_fee=25 * 10**9))
        steps = [*price_steps(Derivation.of(quote)), recovery_step(Derivation.of(quote))]
        assert [step.text for step in steps if step.term != "fee"] == shown[10:-3]

    def test_bounds_are_named_and_the_raw_fee_is_shown(self, cli: CommandLine) -> None:
        shown = cli("quote", "--l1-base-fee-gwei", "25", "--max-fee-gwei", "10").out
        assert "(bound: max)" in shown
        assert "Raw fee: the exact sum of these, rounded up once = 12.521739131 gwei" in shown
        assert "Bounds: 0 to 10 gwei: lowered from 12.521739131 to 10 gwei" in shown

    def test_a_rate_limit_counts_from_the_previous_fee(self, cli: CommandLine) -> None:
        argv = ("quote", "--l1-base-fee-gwei", "25", "--max-fee-increase", "0.1", "--json")
        limited = cli(*argv, "--previous-fee-gwei", "10")
        assert (limited.document["feePerGas"], limited.document["bound"]) == (11_000_000_000, "rate_up")
        free = cli(*argv)
        assert free.document["feePerGas"] == 12_521_739_131
        assert "no rate limit is applied" in free.err

    def test_the_legacy_formula_shows_its_own_terms(self, cli: CommandLine) -> None:
        shown = cli("quote", "--l1-base-fee-gwei", "25", "--controller", "legacy").out
        assert re.search(r"L1 cost +μ·Ĉ/G +0\.7 × 0\.007605 ETH / 690000 L2 gas", shown)
        assert "Smoothed cost Ĉ: the cost itself, since no earlier one is known = 0.007605 ETH" in shown

    def test_a_static_vault_gives_the_deficit(self, cli: CommandLine) -> None:
        argv = ("quote", "--l1-base-fee-gwei", "25", "--vault-target-eth", "1", "--json")
        document = cli(*argv, "--vault-balance-eth", "0").document
        assert document["components"]["deficit"] == 4_025_764_895

    def test_a_vault_that_is_pushed_is_never_taken_for_an_empty_deficit(self, cli: CommandLine) -> None:
        pushed = {
            "TAIKO_VAULT_SOURCE": "push",
            "TAIKO_VAULT_TARGET_ETH": "1",
            "TAIKO_ADMIN_TOKEN": f"{SECRET}-that-is-long-enough-to-be-a-token",
        }
        for argv in (("quote", "--l1-base-fee-gwei", "25"), ("quote",)):
            outcome = cli(*argv, environ=NODE | pushed)
            assert outcome.status == 2
            assert "pushed to the service and unknown here: give" in outcome.err
        assert cli("quote", "--l1-base-fee-gwei", "25", "--deficit-eth", "0", environ=pushed).status == 0

    def test_a_vault_on_chain_is_never_taken_for_an_empty_deficit(self, cli: CommandLine) -> None:
        vault = ("--vault-addresses", "l1:0x" + "11" * 20, "--vault-target-eth", "1")
        unknown = cli("quote", "--l1-base-fee-gwei", "25", *vault)
        assert unknown.status == 2
        assert "give --deficit-eth" in unknown.err
        assert cli("quote", "--l1-base-fee-gwei", "25", *vault, "--deficit-wei", "0").status == 0

    @pytest.mark.parametrize(
        "argv",
        [
            ("--l1-base-fee-gwei", "-1"),
            ("--l1-base-fee-gwei", "1e3"),
            ("--l1-base-fee-wei", "1.5"),
            ("--l1-base-fee-wei", str(2**53)),
            ("--l1-base-fee-gwei", "1", "--l1-base-fee-wei", "1"),
            ("--l1-base-fee-gwei", "1", "--previous-fee-gwei", "x"),
            ("--l1-base-fee-gwei", "1", "--deficit-eth", "9999999999999999"),
            ("--deficit-eth", "1"),
        ],
    )
    def test_inputs_that_are_not_allowed_are_usage_errors(self, cli: CommandLine, argv: tuple[str, ...]) -> None:
        outcome = cli("quote", *argv)
        assert outcome.status == 2
        assert outcome.out == ""

    def test_without_a_base_fee_the_l1_is_asked(self, cli: CommandLine) -> None:
        cli.services.vault = VaultState(VaultSource.STATIC, Wei(10**18), Wei(2 * 10**18))
        outcome = cli("quote", "--json", environ=NODE)
        document = outcome.document
        assert (document["network"], document["status"]) == ("mainnet", "fresh")
        assert document["l1"]["blockNumber"] == 23_882_697
        assert document["next"] == {"blockNumber": 23_882_698, "feePerGas": document["feePerGas"]}
        assert document["feePerGas"] == 16_547_504_026
        assert document["vault"]["deficitWei"] == str(10**18)
        assert document["expiresAt"] == "2025-11-26T11:46:23.000Z"
        shown = cli("quote", environ=NODE).out
        assert "L1 head      block 23882697" in shown
        assert "vault        1 of 2 ETH (static)" in shown

    def test_an_old_head_is_said_to_be_stale_and_an_expired_one_is_refused(self, cli: CommandLine) -> None:
        cli.services.header = head(age_seconds=100)
        stale = cli("quote", "--json", environ=NODE).document
        assert (stale["status"], stale["staleReason"]) == ("stale", "l1_late")
        assert stale["ceilingFeePerGas"] > stale["feePerGas"]
        cli.services.header = head(age_seconds=1000)
        expired = cli("quote", "--json", environ=NODE)
        assert (expired.status, expired.out) == (4, "")
        assert "TAIKO_QUOTE_EXPIRES_AFTER_SECONDS (180)" in expired.err

    def test_the_ceiling_counts_the_blocks_of_the_chains_own_pace(self, cli: CommandLine) -> None:
        cli.services.header = head(age_seconds=100)
        slow = cli("quote", "--json", environ=NODE).document
        cli.services.block_interval_seconds = 2
        fast = cli("quote", "--json", environ=NODE).document
        assert fast["ceilingFeePerGas"] > slow["ceilingFeePerGas"]

    def test_an_l1_that_fails_is_one_line_and_exit_4(self, cli: CommandLine) -> None:
        cli.services.failure = UpstreamError("main", "timeout", "no answer in 2 s")
        outcome = cli("quote", environ=NODE)
        assert (outcome.status, outcome.out) == (4, "")
        assert outcome.err == "error: main: timeout: no answer in 2 s\n"

    def test_without_any_l1_the_ways_out_are_named(self, cli: CommandLine) -> None:
        outcome = cli("quote")
        assert outcome.status == 3
        assert "TAIKO_L1_RPC_URLS" in outcome.err
        assert "--l1-base-fee-gwei" in outcome.err
