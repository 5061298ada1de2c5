"""kill -9 at random moments, many times in a row, while a client asks and a block comes every tenth of a second."""

import random
import signal
import time
from collections.abc import Sequence
from typing import Any, Final

from app.domain.units import WEI_PER_ETHER
from tests.recorder import Recorder
from tests.service import Service, wait_until
from tests.world.reliability.devnet_chain import (
    PUSHED_VAULT,
    RATE_LIMIT,
    STALE_AFTER_SECONDS,
    DevnetChain,
    base_url,
    catch_up,
    oracle_on,
    push_vault,
    quote_after,
)
from tests.world.reliability.journals import (
    Row,
    assert_journaled,
    assert_unbroken,
    assert_verified,
    quotes_counted,
    rows_of,
)

_BLOCK_SECONDS: Final = 0.1
_BALANCE: Final = 7 * WEI_PER_ETHER
_SEQUENCE: Final = 41
_SHARE_KILLED_WHILE_STARTING: Final = 0.2
_LONGEST_START_SECONDS: Final = 2.5
_LONGEST_LIFE_SECONDS: Final = 0.8


def assert_nothing_served_is_lost(state_url: str, *, kills: int, port: int, seed: int) -> None:
    """Kill an oracle `kills` times; after each restart, hold what the client got against the journal."""
    dice = random.Random(seed)  # noqa: S311 - the moments are to be repeatable
    environment = {**PUSHED_VAULT, **RATE_LIMIT, "TAIKO_HTTP_PORT": str(port)}
    with DevnetChain(_BLOCK_SECONDS, "--scenario", "spike") as chain, Recorder(f"http://127.0.0.1:{port}") as recorder:
        with oracle_on(chain, state_url, **environment) as oracle:
            _push_once(oracle)
            newest = _killed_while_serving(oracle, dice, above=0)
        for _ in range(kills - 1):
            with oracle_on(chain, state_url, **environment) as oracle:
                if dice.random() < _SHARE_KILLED_WHILE_STARTING:
                    time.sleep(dice.uniform(0, _LONGEST_START_SECONDS))
                    oracle.stop(signal.SIGKILL)
                else:
                    _assert_carried_over(oracle, state_url, recorder)
                    newest = _killed_while_serving(oracle, dice, above=newest)
        with oracle_on(chain, state_url, **environment) as oracle:
            _assert_carried_over(oracle, state_url, recorder)
            catch_up(oracle, chain)
            rows = _assert_whole(oracle, state_url, recorder)
            assert quotes_counted(oracle) == _of_newest_instance(rows), "each block counts once, and no replayed one"
            assert_verified(state_url)
        recorder.stop()
        truth = chain.truth(recorder.quotes[0].block_number)
        recorder.assert_honest(truth, stale_after_seconds=STALE_AFTER_SECONDS, is_default_formula=False)


def _push_once(oracle: Service) -> None:
    base_url(oracle)
    wait_until(lambda: push_vault(oracle, _BALANCE, _SEQUENCE).is_success, "the vault's balance to be taken")


def _killed_while_serving(oracle: Service, dice: random.Random, *, above: int) -> int:
    """Kill an oracle some time after its first quote for a block above `above`, whose number is returned."""
    number = int(quote_after(oracle, above)["l1"]["blockNumber"])
    time.sleep(dice.uniform(0, _LONGEST_LIFE_SECONDS))
    oracle.stop(signal.SIGKILL)
    return number


def _assert_carried_over(oracle: Service, state_url: str, recorder: Recorder) -> None:
    """What an oracle goes on from after a kill is what the killed one left."""
    counted = wait_until(lambda: quotes_counted(oracle), "a quote of its own")
    rows = _assert_whole(oracle, state_url, recorder)
    assert counted <= _of_newest_instance(rows), "blocks that were replayed are counted"


def _assert_whole(oracle: Service, state_url: str, recorder: Recorder) -> Sequence[Row]:
    rows = rows_of(state_url)
    assert_unbroken(rows)
    assert_journaled(recorder, rows)
    assert {row.vault_balance for row in rows} == {str(_BALANCE)}
    vault: dict[str, Any] = oracle.get("/v1/vault").json()
    assert (vault["balanceWei"], vault["sequence"], vault["condition"]) == (str(_BALANCE), _SEQUENCE, "current")
    assert push_vault(oracle, _BALANCE, _SEQUENCE).is_success, "an identical repeat is no error"
    assert push_vault(oracle, 0, _SEQUENCE).status_code == 409, "a used sequence is refused"
    return rows


def _of_newest_instance(rows: Sequence[Row]) -> int:
    return sum(row.instance == rows[-1].instance for row in rows)
