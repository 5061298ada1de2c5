"""The rules of docs/clients.md, held by the clients of all four languages alike, against replicas that play."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.world.clients.programs import Command, Run, each, run
from tests.world.clients.replicas import (
    LONG_SECONDS,
    Play,
    Replica,
    answer,
    broken_off,
    dripping,
    gone,
    playing,
    quote,
    silent,
    stale,
    unavailable,
    unchanged,
)

Clients = Mapping[str, Command]


@dataclass(frozen=True)
class Played:
    """A client's run, and the replicas that it asked."""

    run: Run
    replicas: list[Replica]
    seconds: float

    def shown(self, *names: str) -> list[tuple[object, ...]]:
        """Some members of every decision."""
        return [tuple(decision[name] for name in names) for decision in self.run.decisions]


def played(clients: Clients, replicas: Sequence[Sequence[Play]], *arguments: str) -> dict[str, Played]:
    """What each client made of replicas of its own."""

    def act(command: Command) -> Played:
        with ExitStack() as stack:
            running = [stack.enter_context(playing(*plays)) for plays in replicas]
            urls = [argument for replica in running for argument in ("--replica", replica.url)]
            started = time.monotonic()
            done = run(command, [*urls, "--network", "mainnet", *arguments])
            return Played(done, running, time.monotonic() - started)

    return each(clients, act)


def holds(outcomes: Mapping[str, Played], names: Sequence[str], expected: Sequence[tuple[object, ...]]) -> None:
    """Every client decided as expected, and said so with its exit code."""
    every = {language: outcome.shown(*names) for language, outcome in outcomes.items()}
    said = {language: outcome.run.said for language, outcome in outcomes.items()}
    assert every == {language: list(expected) for language in every}, said
    code = int(outcomes["go"].run.decisions[-1]["feePerGas"] is None)
    assert {language: outcome.run.code for language, outcome in outcomes.items()} == dict.fromkeys(every, code)


FEE = ("basis", "feePerGas", "blockNumber", "replica")
NOTHING = ("none", None, None, None)


def test_a_fresh_quote_is_charged_and_asked_for_again_by_its_tag_while_its_age_goes_on(clients: Clients) -> None:
    outcomes = played(clients, [[quote(age=13), unchanged(11)]], "--polls", "3")
    holds(outcomes, FEE, [("fresh", 1000, 100, 0)] * 3)
    for language, outcome in outcomes.items():
        asked = outcome.replicas[0].asked
        assert [request.condition for request in asked] == [None, 'W/"100-fresh"', 'W/"100-fresh"'], language
        assert {request.path for request in asked} == {"/v1/fee?blocks=16"}, language
        ages = [decision["ageSeconds"] for decision in outcome.run.decisions]
        assert 13 <= ages[0] < ages[1] < ages[2] < 20, language


def test_a_stale_quote_is_charged_at_its_ceiling_which_is_read_anew_each_time(clients: Clients) -> None:
    outcomes = played(clients, [[stale(ceiling=2000), stale(ceiling=3000)]], "--polls", "2")
    holds(outcomes, FEE, [("ceiling", 2000, 100, 0), ("ceiling", 3000, 100, 0)])
    for language, outcome in outcomes.items():
        assert [request.condition for request in outcome.replicas[0].asked] == [None, None], language


def test_a_stale_quote_whose_ceiling_is_not_known_says_so_and_is_charged_at_its_greatest(clients: Clients) -> None:
    outcomes = played(clients, [[stale(ceiling=None)]], "--polls", "1")
    holds(outcomes, FEE, [("stale", 6000, 100, 0)])


def test_a_quote_that_a_cache_kept_past_its_time_is_not_fresh_whatever_it_says(clients: Clients) -> None:
    outcomes = played(clients, [[quote(age=60, fresh_for=-12)]], "--polls", "1")
    holds(outcomes, FEE, [("stale", 6000, 100, 0)])


def test_a_fresh_quote_is_looked_for_where_the_first_one_is_stale_and_asked_for_there_from_then_on(
    clients: Clients,
) -> None:
    outcomes = played(clients, [[stale(ceiling=2000)], [quote(105)]], "--polls", "2")
    holds(outcomes, FEE, [("fresh", 1000, 105, 1)] * 2)
    for language, outcome in outcomes.items():
        assert [len(replica.asked) for replica in outcome.replicas] == [1, 2], language


def test_of_two_stale_quotes_the_higher_block_counts(clients: Clients) -> None:
    replicas = [[stale(100, ceiling=2000)], [stale(101, ceiling=1500, age=50)], [stale(99, ceiling=2500, age=70)]]
    holds(played(clients, replicas, "--polls", "1"), FEE, [("ceiling", 1500, 101, 1)])


def test_a_replica_of_another_chain_is_passed_over(clients: Clients) -> None:
    replicas = [[quote(network="hoodi")], [quote(l2ChainId=167009)], [quote()]]
    holds(played(clients, replicas, "--polls", "1"), FEE, [("fresh", 1000, 100, 2)])
    holds(played(clients, replicas[:2], "--polls", "1"), FEE, [NOTHING])


def test_what_is_no_quote_is_passed_over(clients: Clients) -> None:
    with playing(quote(666)) as elsewhere:
        replicas: list[list[Play]] = [
            [gone],
            [broken_off],
            [answer(200, b"\xff\x00 garbage")],
            [answer(200, b"")],
            [answer(200, b"[]")],
            [answer(502, b"<html>bad gateway</html>")],
            [answer(307, headers={"Location": f"{elsewhere.url}/v1/fee?blocks=16"})],
            [unchanged()],
            [quote(status="expired")],
            [quote(feePerGas=None)],
            [quote(feePerGas="1000")],
            [quote(fee=-1)],
            [quote(fee=2**53, greatest=2**53)],
            [quote(fee=1000, greatest=999)],
            [quote(maxFeePerGas=None)],
            [quote(l1=None)],
            [quote(staleAt=None)],
            [quote()],
        ]
        outcomes = played(clients, replicas, "--polls", "1")
        holds(outcomes, FEE, [("fresh", 1000, 100, len(replicas) - 1)])
        assert not elsewhere.asked
    holds(played(clients, [[stale(ceiling=2**53)]], "--polls", "1"), FEE, [NOTHING])
    for language, outcome in outcomes.items():
        for number in range(len(replicas) - 1):
            assert len(outcome.replicas[number].asked) <= 2, (language, "a client may repeat what was cut off, once")


def test_a_replica_that_hangs_or_drips_costs_two_seconds_once(clients: Clients) -> None:
    outcomes = played(clients, [[silent], [dripping], [quote(max_age=1)]], "--polls", "2")
    holds(outcomes, FEE, [("fresh", 1000, 100, 2)] * 2)
    for language, outcome in outcomes.items():
        assert 4 < outcome.seconds < LONG_SECONDS, language
        assert [len(replica.asked) for replica in outcome.replicas] == [1, 1, 2], language


def test_a_replica_that_is_behind_is_passed_over_until_it_has_caught_up(clients: Clients) -> None:
    ahead = [quote(100, age=2), unavailable()]
    behind = [quote(99, age=14, fee=900), quote(101, fee=1100)]
    outcomes = played(clients, [ahead, behind], "--polls", "3")
    holds(outcomes, FEE, [("fresh", 1000, 100, 0), ("last_good", 1000, 100, 0), ("fresh", 1100, 101, 1)])


def test_a_lower_block_that_is_not_older_is_a_reorg_and_taken(clients: Clients) -> None:
    outcomes = played(clients, [[quote(100, age=13), quote(98, age=2, fee=900)]], "--polls", "2")
    holds(outcomes, FEE, [("fresh", 1000, 100, 0), ("fresh", 900, 98, 0)])


def test_another_block_at_the_same_height_is_taken(clients: Clients) -> None:
    outcomes = played(clients, [[quote(100, age=13), quote(100, age=25, fee=900)]], "--polls", "2")
    holds(outcomes, FEE, [("fresh", 1000, 100, 0), ("fresh", 900, 100, 0)])


def test_a_block_that_claims_the_future_ages_all_the_same_and_bars_no_true_one_for_ever(clients: Clients) -> None:
    replicas = [[quote(10**9, age=-3600, fee=7, fresh_for=3600), unavailable()], [unavailable(), quote(100, age=5)]]
    outcomes = played(clients, replicas, "--max-age", "3", "--polls", "6")
    for language, outcome in outcomes.items():
        assert outcome.run.bases == ["fresh", "last_good", "fresh"], language
        assert outcome.shown(*FEE)[-1] == ("fresh", 1000, 100, 1), language
        assert max(decision["ageSeconds"] for decision in outcome.run.decisions[:3]) >= 1, language


def test_without_an_answer_the_last_good_quote_goes_on_then_its_greatest_fee_and_past_its_age_nothing(
    clients: Clients,
) -> None:
    replicas: list[list[Play]] = [[quote(fresh_for=3, max_age=1), unavailable()], [gone]]
    outcomes = played(clients, replicas, "--max-age", "7", "--polls", "9")
    for language, outcome in outcomes.items():
        assert outcome.run.bases == ["fresh", "last_good", "last_good_ceiling", "none"], language
        fees = {decision["basis"]: decision["feePerGas"] for decision in outcome.run.decisions}
        assert fees == {"fresh": 1000, "last_good": 1000, "last_good_ceiling": 6000, "none": None}, language
        ages = [decision["ageSeconds"] for decision in outcome.run.decisions if decision["basis"] != "none"]
        assert ages == sorted(ages), language
        assert outcome.replicas[0].asked[0].path == "/v1/fee?blocks=1", language
        assert outcome.run.code == 1, language
        assert "urn:taiko-fee-oracle:problem:quote-expired" in outcome.run.said, language


def test_a_tag_is_good_at_another_replica_and_the_one_that_is_gone_is_not_asked_again(clients: Clients) -> None:
    outcomes = played(clients, [[quote(age=13), gone], [unchanged()]], "--polls", "4")
    holds(outcomes, FEE, [("fresh", 1000, 100, 0), *[("fresh", 1000, 100, 1)] * 3])
    for language, outcome in outcomes.items():
        assert {request.condition for request in outcome.replicas[1].asked} == {'W/"100-fresh"'}, language
        assert len(outcome.replicas[1].asked) == 3, language
        assert len(outcome.replicas[0].asked) <= 3, (language, "a client may repeat what was cut off, once")


@pytest.mark.parametrize(
    ("plays", "least", "most"),
    [
        ([quote(max_age=3)], 3, 8),
        ([quote(max_age=0)], 1, 6),
        ([quote(age=13, max_age=11)], 1, 6),
        ([unavailable(3)], 3, 8),
        ([answer(503, b"{}", {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"})], 1, 6),
    ],
    ids=["max-age", "no max-age", "an overdue block", "Retry-After", "Retry-After as a date"],
)
def test_the_oracle_says_when_to_ask_again(clients: Clients, plays: list[Play], least: float, most: float) -> None:
    for language, outcome in played(clients, [plays], "--polls", "2").items():
        (pause,) = outcome.replicas[0].pauses
        assert least - 0.05 <= pause < most, (language, pause)
