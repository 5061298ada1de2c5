"""`validate` of the document and of the settings; against a live oracle it is run in `tests/process`."""

import pytest

from tests.cli.command_line import CommandLine

VAULT = ("--vault-balance-eth", "1000", "--vault-target-eth", "1000")


def test_the_document_and_the_recommended_settings_as_a_table(cli: CommandLine) -> None:
    outcome = cli("validate")
    assert (outcome.status, outcome.err) == (0, "")
    lines = [" ".join(line.split()) for line in outcome.out.splitlines()]
    assert lines[0] == "the document says documented computed"
    assert "fee at L1 25 gwei 12.5 gwei 12.521739131 gwei holds" in lines
    assert "cost recovery at L1 0.075 gwei 1.14 46.364892 differs" in lines
    assert "improvement over the legacy controller 12500× 1.62× at L1 25 gwei differs" in lines
    assert any(line.startswith("fee at L1 100 gwei: 100·(α + P/G) + 1.5 is 45.586956522") for line in lines)
    assert "ok golden numbers 3 fees worked out by hand come out to the wei" in lines
    assert any(line.startswith("warning base_fee_above_protocol_maximum") for line in lines)


def test_what_the_document_got_wrong_is_not_ours_to_pass(cli: CommandLine) -> None:
    document = cli("validate", "--json").document
    assert document["ok"] is True
    assert [claim["holds"] for claim in document["document"]].count(False) == 6
    assert all((claim["reason"] is None) is claim["holds"] for claim in document["document"])
    assert {check["verdict"] for check in document["checks"]} == {"ok", "warning"}


def test_the_settings_at_hand_are_checked_at_the_price_that_is_given(cli: CommandLine) -> None:
    outcome = cli("validate", *VAULT, "--l1-base-fee-gwei", "0.5", "--json")
    checks = {check["name"]: check for check in outcome.document["checks"]}
    assert outcome.status == 0
    assert checks["fee within its bounds"]["detail"] == "fee 1.720434783 gwei at L1 0.5 gwei"
    assert checks["alert thresholds can be met"]["verdict"] == "warning"
    assert checks["deficit"]["detail"].endswith("the target is 1000 ETH")
    assert checks["deficit_term_exceeds_fee_alert"]["verdict"] == "warning"


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("--max-fee-gwei", "10"), "fee within its bounds"),
        (("--controller", "legacy"), "costs are recovered"),
        (("--base-fee-gwei", "1500", "--max-fee-gwei", "9000"), "units"),
    ],
)
def test_a_check_that_is_ours_to_pass_and_fails_ends_with_1(
    cli: CommandLine, arguments: tuple[str, ...], name: str
) -> None:
    outcome = cli("validate", *arguments, "--json")
    assert outcome.status == 1
    assert outcome.document["ok"] is False
    assert name in {check["name"] for check in outcome.document["checks"] if check["verdict"] == "failed"}


def test_settings_that_are_out_of_range_end_with_3_and_are_named(cli: CommandLine) -> None:
    outcome = cli("validate", "--deficit-weight", "1.5", "--min-fee-gwei", "-1")
    assert outcome.status == 3
    assert "TAIKO_DEFICIT_WEIGHT" in outcome.err
    assert "TAIKO_MIN_FEE_GWEI" in outcome.err
    assert outcome.out == ""


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--watch", "5m", "--for", "1h"), "--watch and --for need --url"),
        (("--for", "1h"), "--watch and --for need --url"),
        (("--url", "http://127.0.0.1:1", "--watch", "5m"), "--watch and --for belong together"),
        (("--url", "http://127.0.0.1:1", "--for", "5m"), "--watch and --for belong together"),
        (("--url", "ftp://node.example"), "--url: expected an http or https URL"),
        (("--url", "http:///x"), "--url: expected an http or https URL"),
        (("--url", "http://127.0.0.1:1", "--watch", "5", "--for", "1h"), "expected a time above 0 such as 30s, 5m"),
        (("--url", "http://127.0.0.1:1", "--watch", "0s", "--for", "1h"), "expected a time above 0"),
        (("--url", "http://127.0.0.1:1", "--watch", "-1s", "--for", "1h"), "expected"),
        (("--l1-base-fee-gwei", "-1"), "at least 0 and below 2^53 wei"),
        (("--l1-base-fee-gwei", "much"), "expected a decimal number of gwei"),
    ],
)
def test_a_validation_that_is_none_ends_with_2(cli: CommandLine, arguments: tuple[str, ...], problem: str) -> None:
    outcome = cli("validate", *arguments)
    assert (outcome.status, outcome.out) == (2, "")
    assert problem in outcome.err
