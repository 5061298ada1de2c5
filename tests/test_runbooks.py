"""The runbooks: a page for each alert, and nothing named in them that does not exist."""

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.adapters.metrics.table import METRICS, Kind
from app.api.app import documented_codes
from app.api.tokens import AdminTokens
from app.cli.parser import build_parser
from app.domain.alert_table import RULES, Alert, AlertRule
from app.domain.formula import FeeFormula
from app.domain.parameters import Parameters
from app.domain.units import WEI_PER_ETHER, WEI_PER_GWEI, WeiDelta, WeiPerGas
from app.settings import VARIABLES, SettingsError, load_settings
from tests.api.house import TOKEN, build_house
from tests.deploy.rules import RECORDED
from tests.deploy.runbooks import (
    PAGES,
    RUNBOOKS,
    blocks_of,
    commands_of,
    jq_programs_of,
    program_arguments,
    prose_of,
    queries_of,
    text_of,
)
from tests.promql import metrics_of

ROOT = RUNBOOKS.parents[1]
PROFILES = sorted((ROOT / "deploy" / "profiles").glob("*.env"))
ALERT_PAGES = [page for page in PAGES if page.stem in {alert.value for alert in Alert}]
HEADINGS = ["Meaning", "Cost", "First look", "Causes", "Do", "Roll back", "Resolves", "Not this"]
SERIES = {
    *(metric.full_name + end for metric in METRICS if metric.kind is Kind.HISTOGRAM for end in ("_bucket", "_sum")),
    *(metric.full_name for metric in METRICS),
    *RECORDED,
    "up",
    "ALERTS",
}
DOCUMENTED = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md")))
VALUES_OF_LABELS = {value for metric in METRICS for label in metric.labels for value in label.values}
ADVICE = {"deficit_term_exceeds_fee_alert", "fee_always_out_of_alert_range"}
OTHERS = {"alertmanager_notifications_failed_total", "pg_dump", "pg_restore"}
"""Names of other programs and of their metrics."""
OTHERS_MEMBERS = {"alertname", "alertstate", "data", "result", "metric", "value", "values", "instance"} | {
    "activeTargets",
    "scrapeUrl",
    "health",
    "lastError",
}
"""What Prometheus's answers have."""
JQ_WORDS = {"age"}
"""Names that the pages give themselves."""
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
OVERLAYS = {
    path.parent.name: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in (ROOT / "deploy" / "kubernetes" / "overlays").glob("*/kustomization.yaml")
}
NAMESPACES = {overlay["namespace"] for overlay in OVERLAYS.values()}
DEPLOYMENT = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "base" / "deployment.yaml").read_text(encoding="utf-8"))


def stem(page: Path) -> str:
    return page.stem


def length(seconds: int) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def in_words(rule: AlertRule) -> str:
    waits = f"for {length(rule.for_seconds)}" if rule.for_seconds else "at once"
    window = f" · over {length(rule.window_seconds)}" if rule.window_seconds else ""
    return f"**{rule.severity}** · {waits}{window}"


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


async def members() -> set[str]:
    """The name of every member that an answer of the service has, by its schema or in its examples."""
    answer = await build_house(tokens=AdminTokens(TOKEN, None)).get("/openapi.json")
    components = answer.json()["components"]
    found = {name for schema in components["schemas"].values() for name in schema.get("properties", {})}
    waiting = [components["examples"]]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            found.update(node)
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return found


def test_every_alert_has_a_page_and_the_index_names_each() -> None:
    assert {page.stem for page in PAGES} == {alert.value for alert in Alert} | {"README", "deployment"}
    index = re.findall(r"^\| \[(\w+)\]\(\1\.md\) \| ([\w, ]+) \|", text_of(RUNBOOKS / "README.md"), re.MULTILINE)
    severities = {alert.value: [rule.severity.value for rule in RULES if rule.alert is alert] for alert in Alert}
    assert {name: sorted(told.split(", ")) for name, told in index} == {
        name: sorted(told) for name, told in severities.items()
    }


@pytest.mark.parametrize("page", ALERT_PAGES, ids=stem)
def test_a_page_has_its_parts_in_order_and_says_how_bad_it_is_and_when_it_fires(page: Path) -> None:
    title, _, rest = text_of(page).partition("\n\n")
    assert title == f"# {page.stem}"
    told, _, _ = rest.partition("\n\n")
    assert told.splitlines() == [in_words(rule) for rule in RULES if rule.alert.value == page.stem]
    assert re.findall(r"^## (.+)$", prose_of(page), re.MULTILINE) == HEADINGS
    assert len(text_of(page).splitlines()) <= 100, "a page is a screen or two"


@pytest.mark.parametrize("page", PAGES, ids=stem)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", prose_of(page)):
        path, _, anchor = target.partition("#")
        file = page if not path else (page.parent / path).resolve()
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(slug, headings), target


@pytest.mark.parametrize("page", PAGES, ids=stem)
def test_every_metric_and_every_query_names_what_is_exported(page: Path) -> None:
    for query in queries_of(page):
        assert metrics_of(query) <= SERIES, query
    for name in re.findall(r"\b(?:deployment:)?taiko_fee_oracle_\w+(?::\w+)?", text_of(page)):
        assert name in SERIES, name


@pytest.mark.parametrize("page", [*PAGES, *PROFILES], ids=stem)
def test_every_variable_is_a_setting(page: Path) -> None:
    known = {variable.name for variable in VARIABLES}
    assert set(re.findall(r"\bTAIKO_[A-Z0-9_]+", page.read_text(encoding="utf-8"))) <= known


@pytest.mark.parametrize("page", PAGES, ids=stem)
def test_every_name_in_code_is_one_that_the_documents_know(page: Path) -> None:
    """Log events, reasons, faults, bounds, metrics without their prefix: all are words with underscores."""
    known = set(re.findall(r"\b[a-z0-9]+(?:_[a-z0-9]+)+\b", DOCUMENTED)) | VALUES_OF_LABELS | ADVICE | OTHERS
    named = set(re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+)+)`", prose_of(page)))
    assert named <= known


@pytest.mark.parametrize("page", PAGES, ids=stem)
def test_every_route_exists(page: Path) -> None:
    routes = set(documented_codes())
    called = re.findall(r"\$ORACLE_URL(/[\w/]+)", text_of(page))
    named = re.findall(r"`(?:GET|PUT|PATCH|DELETE|POST) (/[\w/]+)", prose_of(page))
    assert {*called, *named} <= routes


@pytest.mark.parametrize("page", PAGES, ids=stem)
async def test_every_member_that_jq_asks_for_is_one_that_an_answer_has(page: Path) -> None:
    labels = {label.name for metric in METRICS for label in metric.labels}
    known = await members() | labels | OTHERS_MEMBERS | JQ_WORDS
    for program in jq_programs_of(page):
        bare = re.sub(r'"[^"]*"', "", program)
        assert set(re.findall(r"\.([a-zA-Z]\w*)", bare)) <= known, program
        for inner in re.findall(r"\{([^{}]*)\}", bare):
            short = {part.strip() for part in inner.split(",") if ":" not in part and "(" not in part}
            assert {name for name in short if name.isidentifier()} <= known, program


@pytest.mark.parametrize("page", PAGES, ids=stem)
def test_every_call_of_the_program_is_a_command_with_options_that_it_has(page: Path) -> None:
    called = [arguments for block in blocks_of(page) for arguments in program_arguments(block.script)]
    inline = [
        arguments
        for code in re.findall(r"`(taiko-fee-oracle [^`]+)`", prose_of(page))
        for arguments in program_arguments(code)
    ]
    for arguments in [*called, *inline]:
        build_parser().parse_args(arguments)


def test_a_call_is_found_wherever_it_stands() -> None:
    script = (
        "kubectl --namespace taiko-fee-oracle exec deployment/taiko-fee-oracle -- taiko-fee-oracle verify\n"
        "docker compose --profile l1 exec oracle taiko-fee-oracle verify --from-block 7\n"
        "systemctl status taiko-fee-oracle\n"
        "A=1 taiko-fee-oracle quote \\\n  --l1-base-fee-gwei 25 | head -1   # a comment\n"
    )
    assert list(program_arguments(script)) == [
        ["verify"],
        ["verify", "--from-block", "7"],
        ["quote", "--l1-base-fee-gwei", "25"],
    ]


@pytest.mark.parametrize("page", PAGES, ids=stem)
def test_what_is_not_run_names_services_and_files_that_exist(page: Path) -> None:
    for block in blocks_of(page):
        assert block.kind in {"sh", "sh not-run"}, block
        for command in commands_of(block.script):
            for path in (word for word in command if word.startswith("deploy/") and "*" not in word):
                assert (ROOT / path).exists(), path
            match command:
                case ["docker", "compose", "--profile", profile, action, *words]:
                    (service,) = (
                        (word for word in words if word in COMPOSE) if action in {"exec", "logs"} else ("oracle",)
                    )
                    assert profile in COMPOSE[service]["profiles"], command
                case ["systemctl", *_, unit]:
                    assert (ROOT / "deploy" / "systemd" / f"{unit}.service").exists(), command
                case ["kubectl", "--namespace", namespace, *words]:
                    assert namespace in NAMESPACES, command
                    objects = {word for word in words if word.startswith("deployment/")}
                    assert objects <= {"deployment/taiko-fee-oracle"}, command
                    assert DEPLOYMENT["metadata"]["name"] == "taiko-fee-oracle"


def test_the_advice_that_pages_name_is_given() -> None:
    risky = {"TAIKO_VAULT_TARGET_ETH": "80", "TAIKO_VAULT_BALANCE_ETH": "80", "TAIKO_MAX_FEE_GWEI": "0.5"}
    given = {entry.code for entry in load_settings({}, risky, None).settings.advice()}
    assert given >= ADVICE


NUMBERS = {
    "README": ["4.03", "0.4409", "12.05", "9.31", "110.01", "11.34", "3.24", "248.03", "2,264.8", "0.45"],
    "deployment": ["12.05", "3.24", "478", "7.715", "0.039", "1.556", "12.02", "12.52", "27.79"],
    "TaikoFeeOracleFeeOutOfRange": ["4.03", "12.05", "9.31", "52.3", "0.4409", "110.01", "0.3086", "3.24"],
    "TaikoFeeOracleCostRecoveryDrift": ["0.45", "1.27", "11.34", "1.136", "1.143", "1.034", "46.36"],
    "TaikoFeeOracleCostRecoveryLoss": ["0.0076", "0.0304", "2,264.8"],
    "TaikoFeeOracleVaultDeficit": ["4.03", "9.06", "0.81", "8.05", "60.2"],
    "TaikoFeeOracleVaultUnderfunded": ["4.03", "9.06"],
    "TaikoFeeOracleThresholdsUnsatisfiable": [
        *("11.34", "110.01", "1.745", "0.756", "2.04", "2.84", "223.4", "21.7"),
        *("1.556", "27.79", "0.0168", "0.0728", "1.872", "5.03", "0.1116", "0.4837"),
        *("2.818", "2.14", "0.3955", "1.714", "5.534", "1.372", "1.2102", "5.244"),
        *("12.522", "1.136", "3.3065", "14.328"),
    ],
    "TaikoFeeOracleAtBound": ["248", "2,264.8"],
}  # fmt: skip
"""What a page says, which has to be among what the formula gives."""


def formula(**changed: Any) -> FeeFormula:  # noqa: ANN401, the parameters' own types
    return FeeFormula.of(Parameters(**changed))


def fee(l1_gwei: str, deficit_ether: str = "0", **changed: Any) -> Fraction:  # noqa: ANN401
    """In gwei, to the wei."""
    priced = formula(max_fee=WeiPerGas(10**15), **changed).price(
        WeiPerGas(int(Fraction(l1_gwei) * WEI_PER_GWEI)), WeiDelta(int(Fraction(deficit_ether) * WEI_PER_ETHER))
    )
    return Fraction(priced.fee, WEI_PER_GWEI)


def facts() -> set[Fraction]:
    """Every number of the pages, as the formula gives it."""
    alpha = Parameters()
    base = Fraction(alpha.base_fee, WEI_PER_GWEI)
    gas = Fraction(formula().l1_gas_per_batch) / alpha.l2_gas_per_batch
    slope, responsive = fee("0", "1") - base, Fraction(3, 10) / (48 * 690000) * WEI_PER_GWEI
    recoveries = {l1: fee(l1) / (gas * Fraction(l1)) for l1 in ("0.075", "0.127", "0.844", "2.99", "9.15", "25", "100")}
    cautious = formula(alpha_data=Fraction("0.16"))
    cautious_gas = Fraction(cautious.l1_gas_per_batch) / alpha.l2_gas_per_batch
    by_price = {
        value
        for l1, recovery in recoveries.items()
        for value in (fee(l1), recovery, Fraction("0.3") * gas * Fraction(l1), Fraction("1.3") * gas * Fraction(l1))
    }
    return by_price | {
        gas, slope, responsive, slope * 13, slope * 2, slope / 5, Fraction("0.7") * gas,
        (50 - base) / slope, (50 - base - gas * 25) / slope, (50 - base) / gas, (50 - base) / slope * 5,
        (100 - base) / gas, (100 - base - gas * 25) / slope, (1000 - base) / slope, (1000 - base) / gas,
        base / gas / Fraction("0.3"), base / gas / Fraction("1.2"),
        Fraction("0.1") / gas / Fraction("0.3"), Fraction("0.9") / gas,
        1 / (Fraction("0.7") * gas), 1 / (Fraction("1.3") * gas),
        (Fraction("0.3") * gas * 25 - base) / slope, (Fraction("0.3") * gas * 50 - base) / slope,
        Fraction(80 * 72) * slope / (50 - base),
        fee("25", alpha_data=Fraction("0.16")), fee("25", alpha_data=Fraction("0.16")) / (cautious_gas * 25),
        Fraction("0.7") * gas * 25, Fraction("0.7") * gas * Fraction("0.127"),
        Fraction(formula().batch_cost(WeiPerGas(25 * WEI_PER_GWEI)), WEI_PER_ETHER),
        Fraction(formula().batch_cost(WeiPerGas(100 * WEI_PER_GWEI)), WEI_PER_ETHER),
    }  # fmt: skip


@pytest.mark.parametrize(("page", "number"), [(page, number) for page, told in NUMBERS.items() for number in told])
def test_every_number_of_a_page_is_the_formulas(page: str, number: str) -> None:
    assert re.search(rf"(?<![\d.,]){re.escape(number)}(?![\d])", text_of(RUNBOOKS / f"{page}.md")), (
        "the page says otherwise"
    )
    told = Fraction(number.replace(",", ""))
    unit = Fraction(1, 10 ** len(number.partition(".")[2]))
    assert any(abs(fact - told) <= unit for fact in facts()), number


@pytest.mark.parametrize("profile", PROFILES, ids=stem)
def test_a_profile_names_each_place_that_is_still_to_be_filled_in(profile: Path) -> None:
    left = re.findall(r"^(TAIKO_\w+)=.*<[^>]+>", profile.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(left) == 6
    with pytest.raises(SettingsError) as refused:
        load_settings({}, {}, profile)
    assert {line.partition(":")[0] for line in refused.value.problems} == set(left)


@pytest.mark.parametrize(("name", "chains"), [("mainnet", (1, 167000)), ("hoodi", (560048, 167013))])
def test_a_profile_that_is_filled_in_is_valid_and_of_its_chains(
    name: str, chains: tuple[int, int], tmp_path: Path
) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("# nobody yet\n", encoding="utf-8")
    filled = (ROOT / "deploy" / "profiles" / f"{name}.env").read_text(encoding="utf-8")
    for place in ("first", "second", "third"):
        filled = re.sub(rf"{place}=<[^>]+>", f"{place}=https://{place}.example", filled)
    for left, value in (
        (r"<address of your proposer>", "0x" + "ab" * 20),
        (r"<address of your prover>", "0x" + "cd" * 20),
        (r"<url of a Taiko [^>]+>", "https://taiko.example"),
        (r"<what they [^>]+>", "12"),
        (r"<sqlite[^>]+>", "sqlite:////var/lib/taiko-fee-oracle/journal.db"),
        (r"<path [^>]+>", str(tokens)),
    ):
        filled = re.sub(left, value, filled)
    env_file = tmp_path / "filled.env"
    env_file.write_text(filled, encoding="utf-8")
    loaded = load_settings({}, {}, env_file)
    assert loaded.warnings == ()
    assert (loaded.settings.l1_chain_id, loaded.settings.l2_chain_id) == chains
    assert [entry.code for entry in loaded.settings.advice()] == ["base_fee_above_protocol_maximum"]
    (generated,) = OVERLAYS[name]["configMapGenerator"]
    assert set(generated["literals"]) == {f"TAIKO_L1_CHAIN_ID={chains[0]}", f"TAIKO_L2_CHAIN_ID={chains[1]}"}
    assert str(loaded.settings.vault_plan().addresses[0].address).startswith(f"0x{chains[1]}")
