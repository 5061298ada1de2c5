from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import pytest

from tests.deploy.dashboards import QUERIES, Query
from tests.deploy.rules import RECORDED, RULES
from tests.promql import metrics_of, selectors_of
from tests.service import Service, free_port, wait_until
from tests.world.operations.prometheus import Sample
from tests.world.operations.scraping import Prometheus, Target, unanswered
from tests.world.reliability.devnet_chain import PUSHED_VAULT, RATE_LIMIT, TOKEN, DevnetChain, push_vault

MONEY_ROWS = {"Now", "Fee", "Cost recovery", "Fee vault"}
VARIABLES = {
    "job": "taiko-fee-oracle",
    "instance": "one|two",
    "network": ".*",
    "__rate_interval": "10s",
    "__range": "1h",
}
WITHOUT_VAULT = VARIABLES | {"job": "no-vault", "instance": "three"}
STAND_INS = {
    "groups": [
        {
            "name": "stand-ins",
            "rules": [
                {"alert": "TaikoFeeOracleWatchdog", "expr": "vector(1)", "labels": {"severity": "none"}},
                {
                    "alert": "TaikoFeeOracleQuoteStale",
                    "expr": "max by (job) (taiko_fee_oracle_l1_block_number)",
                    "labels": {"severity": "critical"},
                },
            ],
        }
    ]
}
"""The dashboard reads how alerts stand, whatever they are."""


@dataclass(frozen=True)
class Watched:
    """What the dashboard would ask, and the oracle that it is about."""

    prometheus: Prometheus
    oracle: Service
    chain: DevnetChain

    def panel(self, row: str, owner: str, variables: Mapping[str, str] = VARIABLES) -> list[Sample]:
        """What one query of a panel says."""
        (query,) = [query for query in QUERIES if (query.row, query.owner) == (row, owner)]
        return self.prometheus.known(query.with_variables(variables))

    def value(self, row: str, owner: str, variables: Mapping[str, str] = VARIABLES) -> float:
        """The one value that a query of a panel gives."""
        (sample,) = self.panel(row, owner, variables)
        return sample.value

    def labels(self, query: Query, **variables: str) -> set[frozenset[tuple[str, str]]]:
        """The labels of each series that a query gives."""
        samples = self.prometheus.known(query.with_variables(VARIABLES | variables))
        return {frozenset(sample.labels.items()) for sample in samples}

    def is_the_same_for_one_replica(self, query: Query) -> bool:
        """Whether the other replica adds no series."""
        return self.labels(query) == self.labels(query, instance="one")

    def is_for_each_replica(self, query: Query) -> bool:
        """Whether each replica has a series."""
        return {dict(labels)["instance"] for labels in self.labels(query)} == {"one", "two"}


def of_everything(chain: DevnetChain) -> dict[str, str]:
    """Settings with whatever brings another series: a provider that pushes, a pushed vault, a rate limit."""
    return {
        "TAIKO_L1_RPC_URLS": f"node={chain.url.replace('http', 'ws')}",
        "TAIKO_POLL_INTERVAL_SECONDS": "0.2",
        **PUSHED_VAULT,
        **RATE_LIMIT,
    }


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    """Two replicas of one oracle with a vault, another oracle without, and the Prometheus that scrapes them."""
    port, narrow_port = str(free_port()), str(free_port())
    narrow = {"TAIKO_HTTP_PORT": narrow_port, "TAIKO_ALERT_FEE_MAX_GWEI": "5"}
    jobs = {
        "taiko-fee-oracle": [
            Target(f"127.0.0.1:{port}", {"instance": "one", "pod": "oracle-0"}),
            Target(f"127.0.0.1:{port}", {"instance": "two", "pod": "oracle-1"}),
        ],
        "no-vault": [Target(f"127.0.0.1:{narrow_port}", {"instance": "three"})],
    }
    with (
        Prometheus(jobs, STAND_INS) as prometheus,
        Service("serve", "--devnet", environment=narrow),
        DevnetChain(0.5) as chain,
        Service("serve", environment={"TAIKO_HTTP_PORT": port, **of_everything(chain)}) as oracle,
    ):
        wait_until(lambda: push_vault(oracle, 11 * 10**18, 1).is_success, "the oracle to take a balance")
        wait_until(oracle.quote, "a quote")
        wait_until(lambda: prometheus.ask('taiko_fee_oracle_l1_block_number{job="taiko-fee-oracle"}'), "a scrape")
        change = oracle.client.patch(
            "/v1/parameters", json={"horizonBatches": 100}, headers={"Authorization": f"Bearer {TOKEN}"}
        )
        assert change.is_success, change.text
        with oracle.client.stream("GET", "/v1/fee/stream"):
            yield Watched(prometheus, oracle, chain)


def test_each_query_gives_a_series(watched: Watched) -> None:
    asked = {str(query): query.with_variables(VARIABLES) for query in QUERIES}
    assert len(asked) == len(QUERIES)
    assert not unanswered(watched.prometheus, asked)


def test_what_the_rules_read_is_there(watched: Watched) -> None:
    selectors = {selector for rule in RULES for selector in selectors_of(rule["expr"])}
    of_the_service = {selector for selector in selectors if not metrics_of(selector) & RECORDED}
    assert of_the_service
    assert not unanswered(watched.prometheus, {selector: selector for selector in of_the_service})


def test_replicas_are_one_where_money_is_shown(watched: Watched) -> None:
    for query in (query for query in QUERIES if query.row in MONEY_ROWS):
        assert not {name for labels in watched.labels(query) for name, _ in labels} & {"instance", "pod"}, query
        # A set of parameters may end between two scrapes.
        wait_until(partial(watched.is_the_same_for_one_replica, query), str(query))


def test_replicas_are_told_apart_where_processes_are_shown(watched: Watched) -> None:
    for query in (query for query in QUERIES if query.row in {"Journal and clock", "Process"}):
        if "alert_threshold" not in query.expression:
            wait_until(partial(watched.is_for_each_replica, query), str(query))


def test_the_tiles_say_what_the_service_says(watched: Watched) -> None:
    watched.chain.stand()
    quote = watched.oracle.quote_for(watched.chain.head())
    wait_until(
        lambda: watched.value("Now", "Recommended fee A") == quote["feePerGas"] / 10**9, "the tile to show the fee"
    )
    assert watched.value("Now", "L1 base fee A") == quote["l1"]["baseFeePerGas"] / 10**9
    assert watched.value("Now", "Fee vault A") == 11
    watched.chain.go_on()
    assert watched.value("Now", "Recommended fee B") == 0
    assert watched.value("Now", "Quote age B") == 0
    assert watched.value("Now", "Fee vault C") == 0


def test_a_fee_that_the_parameters_alone_put_too_high_says_so(watched: Watched) -> None:
    assert watched.value("Now", "Recommended fee B", WITHOUT_VAULT) == 2


def test_no_vault_is_said_and_is_no_balance_of_0(watched: Watched) -> None:
    assert watched.value("Now", "Fee vault C", WITHOUT_VAULT) == -2
    shown = {
        str(query)
        for query in QUERIES
        if query.row == "Fee vault" and watched.prometheus.known(query.with_variables(WITHOUT_VAULT))
    }
    assert shown == {
        "Fee vault: Vault readings A",
        "Fee vault: Vault deficit C",
        "Fee vault: Time underfunded, 24 h B",
    }


def test_a_devnet_can_be_seen(watched: Watched) -> None:
    (sample,) = watched.panel("Now", "Network A")
    assert sample.labels["network"] == "devnet"


def test_alerts_are_counted_by_severity_and_only_while_the_rules_run(watched: Watched) -> None:
    wait_until(lambda: watched.panel("Now", "Firing alerts A"), "the rules to be evaluated")
    assert [watched.value("Now", f"Firing alerts {ref_id}") for ref_id in "ABC"] == [1, 0, 0]
    (query,) = [query for query in QUERIES if str(query) == "Now: Firing alerts B"]
    without_rules = Query(query.row, query.owner, query.expression.replace("Watchdog", "NoSuchAlert"))
    assert not watched.prometheus.ask(without_rules.with_variables(VARIABLES))


def test_the_replicas_to_choose_from_are_those_of_the_network(watched: Watched) -> None:
    assert {sample.labels["instance"] for sample in watched.panel("variables", "instance")} == {"one", "two"}
    assert not watched.panel("variables", "instance", VARIABLES | {"network": "mainnet"})
