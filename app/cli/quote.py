"""`quote`: the fee at a given L1 base fee, or at the L1 head."""

from collections.abc import Iterable
from typing import Final

from app.api.bodies import evidence_object, fee_object, freshness_object, timestamp_text
from app.api.what_if_body import Inputs, what_if_object
from app.cli.derivation import derivation_lines, derive
from app.cli.exits import EXIT_OK, EXIT_UPSTREAM
from app.cli.invocation import Invocation
from app.cli.output import print_json, print_line, say
from app.domain.derivation import Derivation, vault_words
from app.domain.formula import NO_PATH, FeeFormula, PathPoint
from app.domain.freshness import QuoteStatus, Witnesses, birth_of, judge
from app.domain.parameter_set import ParameterSet
from app.domain.parameters import Controller
from app.domain.quote import Quote, fee_ceilings, make_quote
from app.domain.units import MILLIS_PER_SECOND, WeiDelta, gwei_text
from app.domain.vault import VaultPlan, VaultSource, VaultState
from app.settings import LoadedSettings, SettingsError

_PUSHED: Final = "the vault's balance is pushed to the service and unknown here"


def quote_command(invocation: Invocation) -> int:
    loaded = invocation.load()
    arguments = invocation.arguments
    previous = NO_PATH if arguments.previous_fee is None else PathPoint(fee=arguments.previous_fee)
    if arguments.l1_base_fee is None:
        if arguments.deficit is not None:
            invocation.usage_error("a deficit is taken together with --l1-base-fee-gwei or --l1-base-fee-wei")
        return _live_quote(invocation, loaded, previous)
    parameter_set = loaded.settings.parameter_set()
    _note_missing_previous(parameter_set, previous)
    deficit = arguments.deficit
    if deficit is None:
        deficit = _configured_deficit(invocation, loaded.settings.vault_plan())
    inputs = Inputs(
        l1_base_fee=arguments.l1_base_fee,
        deficit=WeiDelta(deficit),
        previous=previous,
        parameters=parameter_set.parameters,
        network=None,
        l2_chain_id=loaded.settings.l2_chain_id,
    )
    if invocation.wants_json:
        print_json(what_if_object(inputs, invocation.services.now()) | {"parameters": parameter_set.texts()})
    else:
        print_line("\n".join(derivation_lines(derive(inputs), parameter_set)))
    return EXIT_OK


def _configured_deficit(invocation: Invocation, plan: VaultPlan) -> WeiDelta:
    """The deficit that the settings know without asking a node. An unknown vault is not a zero vault."""
    if plan.source is VaultSource.ONCHAIN:
        invocation.usage_error("the vault is on chain and was not asked: give --deficit-eth, 0 for none")
    if plan.source is VaultSource.PUSH:
        invocation.usage_error(f"{_PUSHED}: give --deficit-eth, 0 for none")
    return VaultState(plan.source, plan.balance, plan.target, plan.surplus_discount).priced_deficit


def _live_quote(invocation: Invocation, loaded: LoadedSettings, previous: PathPoint) -> int:
    """The quote for the L1 head now. One that has expired is not shown: it would be an old number."""
    settings = loaded.settings
    if not settings.l1_endpoints():
        raise SettingsError(
            ("TAIKO_L1_RPC_URLS: not set, expected an L1 node; or give the L1 base fee with --l1-base-fee-gwei",)
        )
    if settings.vault_plan().source is VaultSource.PUSH:
        invocation.usage_error(f"{_PUSHED}: give --l1-base-fee-gwei and --deficit-eth")
    network, header, vault, block_interval_seconds = invocation.services.fetch_head(loaded)
    now = invocation.services.now()
    parameter_set = settings.parameter_set()
    _note_missing_previous(parameter_set, previous)
    quote = make_quote(
        network=network,
        header=header,
        vault=vault,
        formula=FeeFormula.of(parameter_set.parameters),
        previous=previous,
        block_interval_seconds=block_interval_seconds,
    )
    freshness = judge(birth_of(header.timestamp, now), now, settings.freshness_policy(), Witnesses(agreeing=1))
    age_seconds = freshness.age_millis // MILLIS_PER_SECOND
    if freshness.status is QuoteStatus.EXPIRED:
        say(
            f"error: L1 block {header.number} is {age_seconds} s old,"
            f" more than TAIKO_QUOTE_EXPIRES_AFTER_SECONDS ({settings.quote_expires_after_seconds})"
        )
        return EXIT_UPSTREAM
    if invocation.wants_json:
        ceiling = fee_ceilings(quote, freshness.possible_blocks(quote.block_interval_seconds))[-1]
        print_json(
            fee_object(quote)
            | freshness_object(freshness, ceiling)
            | evidence_object(quote, now, base_fee_verified=False)
            | {"staleAt": timestamp_text(freshness.stale_at), "expiresAt": timestamp_text(freshness.expires_at)}
            | {"parameters": parameter_set.texts()}
        )
    else:
        print_line("\n".join(head_lines(quote, freshness.status, age_seconds)))
        print_line("\n".join(derivation_lines(Derivation.of(quote), parameter_set)))
    return EXIT_OK


def _note_missing_previous(parameter_set: ParameterSet, previous: PathPoint) -> None:
    parameters = parameter_set.parameters
    if parameters.controller is Controller.LEGACY:
        say("note: the legacy smoothing starts here, at this block's own cost")
    if parameters.has_rate_limit and not previous.fee:
        say("note: no rate limit is applied without --previous-fee-gwei or --previous-fee-wei")


def head_lines(quote: Quote, status: QuoteStatus, age_seconds: int) -> Iterable[str]:
    header = quote.header
    yield f"network      {quote.network.name}, L2 chain {quote.network.l2_chain_id}"
    yield f"L1 head      block {header.number}, {age_seconds} s old: {status}"
    yield f"next block   {gwei_text(quote.next_base_fee)} gwei on L1, fee {gwei_text(quote.next_fee)} gwei"
    yield f"vault        {vault_words(quote.vault)}"
    yield ""
