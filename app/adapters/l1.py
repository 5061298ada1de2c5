"""L1 headers from JSON-RPC nodes: who is asked, who decides, and what is believed."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Sequence
from typing import Final, TypeVar

from app.adapters.allowance import Allowance
from app.adapters.breaker import LONGEST_PAUSE_SECONDS
from app.adapters.clock_watch import ClockWatch
from app.adapters.confirmation import confirmed_header
from app.adapters.failover import Failover
from app.adapters.nodes import NodeGroup, PushingNode, TimeTeller
from app.adapters.polls import Poll
from app.adapters.provider import Provider
from app.adapters.questions import Question, at_height, latest_header, nothing, with_hash
from app.adapters.subscriptions import Subscription
from app.domain.errors import InvalidValueError
from app.domain.header import L1Header
from app.domain.host_clock import refutes, seconds_ahead
from app.domain.network import Network
from app.domain.quorum import AgreedChain, Agreement, quorum_of
from app.domain.units import MILLIS_PER_SECOND, BlockNumber
from app.engine.events import HeadInFuture, Observer, ProviderChanged
from app.engine.ports import Clock, FeedView, HeadSighting, ProviderState, UpstreamError

FAILBACK_SECONDS: Final = LONGEST_PAUSE_SECONDS
DEADLINE_SECONDS: Final = 10.0
"""One poll, whatever the number of providers: within a slot of 12 s."""
RECENT_POLLS: Final = 3
"""For how many poll intervals a provider vouches for the head that it gave."""
STANDING_SECONDS: Final = 36.0
"""Three slots: a provider whose head stands for so long, while another's goes on, is left."""
STANDING_BLOCKS: Final = 2
LEAST_SECONDS_BETWEEN_NEWS: Final = 0.1
"""However fast heads are pushed."""
EARLY_POLLS_AT_ONCE: Final = 20
EARLY_POLLS_PER_SECOND: Final = 2.0
"""In the long run: a provider that pushes without end must not make us ask the others until they refuse."""
CHAIN_CHECK_SECONDS: Final = 2.0
"""The part of the deadline that is kept for the check of another provider's chain id."""
_REMEMBERED_FUTURES: Final = 64

Value = TypeVar("Value")


class L1HeaderSource:
    """The L1 chain as its providers give it.

    At each poll every usable provider is asked for its head. With a quorum of 1 the first one in order decides, the
    others are witnesses; with a greater one, the newest header that so many distinct providers give as a whole.
    """

    def __init__(
        self,
        nodes: NodeGroup,
        observe: Observer,
        *,
        clock: Clock,
        quorum: int | None = None,
        poll_interval_seconds: float = 2.0,
        failback_seconds: float = FAILBACK_SECONDS,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        """Raises `InvalidValueError` for a quorum of more providers than there are."""
        self._nodes = nodes
        self._observe = observe
        self._clock = clock
        self._providers = tuple(Provider(node, clock, observe) for node in nodes.nodes)
        self._quorum = quorum_of(len(self._providers), quorum)
        if not 1 <= self._quorum <= len(self._providers):
            raise InvalidValueError("TAIKO_L1_QUORUM", quorum, f"1 to {len(self._providers)}, the providers there are")
        self._window_seconds = RECENT_POLLS * poll_interval_seconds
        self._deadline_seconds = deadline_seconds
        self._failover = Failover(failback_seconds)
        self._agreed = AgreedChain()
        self._clock_watch = ClockWatch(clock, observe)
        self._subscriptions = tuple(
            Subscription(
                provider,
                provider.node,
                clock=clock,
                observe=observe,
                on_head=self._pushed,
                on_end=self._unsubscribed,
            )
            for provider in self._providers
            if isinstance(provider.node, PushingNode)
        )
        self._head_from = self._providers[0]
        self._last: L1Header | None = None
        self._changed = asyncio.Event()
        self._news = asyncio.Event()
        self._news_at = float("-inf")
        self._early_polls = Allowance(EARLY_POLLS_AT_ONCE, EARLY_POLLS_PER_SECOND, clock.monotonic)
        self._is_polling = False
        self._futures: deque[str] = deque(maxlen=_REMEMBERED_FUTURES)

    @property
    def view(self) -> FeedView:
        """The providers as they are now."""
        statuses = tuple(provider.status() for provider in self._providers)
        return FeedView(self._quorum, statuses, self._clock_watch.offset_millis)

    async def run(self) -> None:
        """Keep the subscriptions alive until cancelled; without any, wait for that."""
        async with asyncio.TaskGroup() as group:
            for subscription in self._subscriptions:
                group.create_task(subscription.run())
            await asyncio.Event().wait()

    async def close(self) -> None:
        """Give up the calls that are under way."""
        tasks = [provider.asking for provider in self._providers if provider.asking is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def news(self) -> None:
        """Return as soon as a provider has pushed a head that no poll has seen."""
        await self._news.wait()
        least = self._news_at + LEAST_SECONDS_BETWEEN_NEWS - self._clock.monotonic()
        await self._clock.sleep(max(0.0, least, self._early_polls.seconds_to_wait()))
        self._early_polls.take()
        self._news_at = self._clock.monotonic()
        self._news.clear()

    async def chain_id(self) -> int:
        """The chain id that the nodes were checked against."""
        await self._in_time(self._nodes.agree_on_chain_id(self._quorum))
        return await self._in_time(self._nodes.chain_id())

    async def latest(self) -> HeadSighting:
        """The newest header that counts, within the deadline. Raises `UpstreamError`."""
        ends_at = asyncio.get_running_loop().time() + self._deadline_seconds - CHAIN_CHECK_SECONDS
        await self._in_time(self._nodes.agree_on_chain_id(self._quorum))
        poll, self._is_polling = self._begin_poll(), True
        try:
            agreement = await self._decision(poll, ends_at)
        finally:
            self._is_polling = False
            poll.end()
        if agreement is None:
            for provider, number, dissent in poll.contradictions():
                provider.judge(number, dissent)
            raise poll.undecided()
        return self._adopted(agreement, poll)

    async def by_hash(self, block_hash: str) -> L1Header:
        """The header with this hash, on whatever branch; another one's is refused as `invalid_answer`."""
        return await self._confirmed(with_hash(block_hash))

    async def by_number(self, number: BlockNumber) -> L1Header:
        """The header at this height of the canonical chain; another height's is refused as `invalid_answer`."""
        return await self._confirmed(at_height(number))

    def reject(self, sighting: HeadSighting, reason: str) -> bool:
        """Distrust whoever gave this head, until they give another; whether enough others are left to decide.

        Where there are not, nobody is left out: the same head may come again, and is for the caller to judge again.
        """
        givers = [provider for provider in self._providers if provider.head == sighting.header]
        others = sum(provider.is_usable for provider in self._providers if provider not in givers)
        self._agreed.remove(sighting.header)
        self._last = None
        for provider in givers:
            if others >= self._quorum:
                provider.distrust(sighting.header, reason)
                self._failover.leave(provider.alias, self._clock.monotonic())
                self._nodes.forget(provider.alias)
            else:
                provider.note_failure(reason)
        return others >= self._quorum

    async def _in_time(self, work: Awaitable[Value]) -> Value:
        try:
            async with asyncio.timeout(self._deadline_seconds):
                return await work
        except TimeoutError:
            detail = f"no answer within {self._deadline_seconds:g} s"
        raise UpstreamError(self._providers[0].alias, "timeout", detail)

    def _begin_poll(self) -> Poll:
        self._news.clear()
        for provider in self._providers:
            provider.begin_poll()
        poll = Poll(self._to_be_asked(), self._quorum)
        for provider in poll.asked:
            provider.breaker.probe()
            if provider.outcome is None and provider.asking is None:
                provider.asking = asyncio.create_task(self._ask_for_head(provider))
        return poll

    def _to_be_asked(self) -> Sequence[Provider]:
        """Those whose breakers let them, and as many others as a decision needs: the last good and the best first."""
        now = self._clock.monotonic()
        due = [provider for provider in self._providers if provider.breaker.is_due(now)]
        missing = self._quorum - sum(provider.breaker.state is ProviderState.CLOSED for provider in due)
        if missing > 0:
            others = [provider for provider in self._providers if provider not in due]
            others.sort(key=lambda provider: (provider.distrusted is not None, -provider.last_good_at))
            due += others[:missing]
            if missing == self._quorum and self._providers[0] not in due:
                due.append(self._providers[0])
        return [provider for provider in self._providers if provider in due]

    async def _ask_for_head(self, provider: Provider) -> None:
        asked_at = self._clock.monotonic()
        try:
            header = await self._nodes.ask_one(provider.node, latest_header)
            if (refusal := self._refusal(provider, header)) is not None:
                raise refusal
        except UpstreamError as failure:
            provider.failed(failure)
        else:
            provider.answered(header, asked_at)
            self._judge_late(provider, header)
        finally:
            self._take_date(provider)
            self._changed.set()

    async def _decision(self, poll: Poll, ends_at: float) -> Agreement | None:
        """What the poll comes to, and from a provider that is still on the chain."""
        while True:
            agreement = await self._agreement(poll, ends_at)
            if agreement is None or await self._is_on_chain(agreement, poll):
                return agreement

    async def _agreement(self, poll: Poll, ends_at: float) -> Agreement | None:
        while True:
            self._changed.clear()
            poll.collect()
            out_of_time = asyncio.get_running_loop().time() >= ends_at
            agreement = self._judged(poll, out_of_time=out_of_time)
            if agreement is not None or out_of_time or not poll.is_pending:
                return agreement
            await self._change(poll, ends_at)

    async def _change(self, poll: Poll, ends_at: float) -> None:
        """Wait until something came, the stragglers' time is over, or all time is."""
        left = max(0.0, ends_at - asyncio.get_running_loop().time())
        patience = poll.seconds_to_settle
        try:
            async with asyncio.timeout(left if patience is None else min(left, patience)):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _judged(self, poll: Poll, *, out_of_time: bool) -> Agreement | None:
        if self._quorum == 1:
            return poll.first_of(self._in_order(poll.asked), final=out_of_time)
        if (agreement := poll.agreement_at_once()) is not None or not poll.has_settled:
            return agreement
        poll.ask_those_ahead(self._header_at, self._changed.set)
        agreement = poll.agreement(self._recent_head, self._providers)
        is_news = agreement is not None and agreement.header != self._last
        return agreement if is_news or out_of_time or not poll.is_pending else None

    def _in_order(self, providers: Sequence[Provider]) -> Sequence[Provider]:
        """By preference; those that were left lately, or whose heads stand while others go on, come last."""
        now = self._clock.monotonic()
        self._leave_who_stands(now)
        order = self._failover.order([provider.alias for provider in providers], now)
        return sorted(providers, key=lambda provider: order.index(provider.alias))

    def _leave_who_stands(self, now: float) -> None:
        """A head that stands proves nothing, unless another provider's goes on."""
        ours = self._head_from
        if ours.head is None or now - ours.head_since < STANDING_SECONDS:
            return
        heads = [self._recent_head(provider) for provider in self._providers if provider.is_usable]
        if any(head is not None and head.number >= ours.head.number + STANDING_BLOCKS for head in heads):
            self._failover.leave(ours.alias, now)

    def _giver(self, agreement: Agreement, poll: Poll) -> Provider:
        """The provider in whose name the head is given: the first in order that vouches for it."""
        asked = self._in_order(poll.asked)
        vouching = [provider for provider in asked if provider.alias in agreement.providers]
        return vouching[0] if vouching else self._by_alias(agreement.providers[0])

    async def _is_on_chain(self, agreement: Agreement, poll: Poll) -> bool:
        """Whether who speaks for the chain did last time and goes on from there, or proves to be on it anew.

        Behind one URL another node may answer from one call to the next, without a connection that breaks.
        """
        last, header = self._last, agreement.header
        goes_on = last is None or header == last or header.parent_hash == last.hash
        provider = (self._speaker if goes_on else self._giver)(agreement, poll)
        if provider is self._head_from and goes_on:
            return True
        self._nodes.forget(provider.alias)
        try:
            async with asyncio.timeout(CHAIN_CHECK_SECONDS):
                await self._nodes.ask_one(provider.node, nothing)
        except UpstreamError as error:
            failure = error
        except TimeoutError:
            failure = UpstreamError(provider.alias, "timeout", f"eth_chainId: no answer within {CHAIN_CHECK_SECONDS} s")
        else:
            return True
        provider.failed(failure)
        return False

    def _adopted(self, agreement: Agreement, poll: Poll) -> HeadSighting:
        header, giver = agreement.header, self._giver(agreement, poll)
        self._let_speak(self._speaker(agreement, poll), header, poll)
        self._last = header
        self._agreed.add(header)
        for provider in self._providers:
            for each in (self._recent_head(provider) or provider.distrusted, *poll.confirmed(provider)):
                if each is not None:
                    self._judge(provider, each)
            provider.seen_by_poll(header)
        for subscription in self._subscriptions:
            subscription.compare(header.number)
        self._prefer(giver)
        if self._is_public:
            self._clock_watch.head(header)
        self._clock_watch.measure()
        agreeing = sum(self._recent_head(provider) == header for provider in self._providers)
        return HeadSighting(header, giver.alias, max(1, agreeing))

    def _speaker(self, agreement: Agreement, poll: Poll) -> Provider:
        """Who leads from now on. With a quorum, one that is merely slower than the others at times stays."""
        giver, before = self._giver(agreement, poll), self._head_from
        order = self._in_order(poll.asked)
        if self._quorum == 1 or before not in order or giver not in order or not before.is_usable:
            return giver
        contradicts = before.outcome is not None and before.outcome != agreement.header
        failed = isinstance(before.outcome, UpstreamError)
        same_height = before.head is not None and before.head.number == agreement.header.number
        if failed or (contradicts and same_height) or order.index(giver) < order.index(before):
            return giver
        return before

    def _let_speak(self, speaker: Provider, header: L1Header, poll: Poll) -> None:
        passed = [
            provider.alias
            for provider in self._in_order(poll.asked)
            if provider is speaker or self._quorum == 1 or isinstance(provider.outcome, UpstreamError)
        ]
        if speaker.alias in passed:
            self._failover.use(speaker.alias, passed, self._clock.monotonic())
        before, self._head_from = self._head_from, speaker
        if speaker is not before:
            self._observe(ProviderChanged(speaker.alias, before.alias, self._why_left(before, speaker, header)))

    def _why_left(self, before: Provider, giver: Provider, header: L1Header) -> str:
        if before.breaker.reason is not None:
            return before.breaker.reason
        if isinstance(before.outcome, UpstreamError):
            return before.outcome.reason
        if self._providers.index(giver) < self._providers.index(before):
            return "recovered"
        return "lagging" if before.head is not None and before.head.number < header.number else "slow"

    def _prefer(self, giver: Provider) -> None:
        """Let questions of others, such as for balances, go first to who gave the head, last to who is distrusted."""
        order = sorted(
            self._providers,
            key=lambda provider: (provider is not giver, provider.distrusted is not None, not provider.is_usable),
        )
        self._nodes.prefer([provider.alias for provider in order])

    def _judge(self, provider: Provider, header: L1Header) -> None:
        provider.judge(header.number, self._agreed.dissent_of(header))

    def _judge_late(self, provider: Provider, header: L1Header) -> None:
        """Judge what comes between polls; during one, its end tells what everybody's headers are held against."""
        if not self._is_polling:
            self._judge(provider, header)

    def _refusal(self, provider: Provider, header: L1Header) -> UpstreamError | None:
        """Why a head that claims the future is not taken: on a public chain, where others' times refute it."""
        ahead = seconds_ahead(header, self._clock.now())
        if not ahead:
            return None
        if header.hash not in self._futures:
            self._futures.append(header.hash)
            self._observe(HeadInFuture(provider.alias, header.number, ahead))
        witnesses = self._clock_watch.times_of_others(provider.alias)
        monotonic_millis = int(self._clock.monotonic() * MILLIS_PER_SECOND)
        if not self._is_public or not refutes(witnesses, header, monotonic_millis):
            return None
        detail = f"block {header.number} is {ahead} s ahead of this host's clock, which other providers confirm"
        return UpstreamError(provider.alias, "timestamp_in_future", detail)

    def _pushed(self, provider: Provider, header: L1Header) -> None:
        """A head is used at once, but from a node whose chain id was checked since it was connected."""
        if provider.distrusted is not None:
            return
        if not self._nodes.is_verified(provider.alias):
            if provider.is_usable:
                self._news.set()
            return
        if (refusal := self._refusal(provider, header)) is not None:
            provider.failed(refusal)
        elif provider.pushed(header) and header != self._last:
            self._news.set()
            self._judge_late(provider, header)
        self._changed.set()

    def _unsubscribed(self, provider: Provider) -> None:
        self._nodes.forget(provider.alias)

    def _take_date(self, provider: Provider) -> None:
        if isinstance(provider.node, TimeTeller):
            self._clock_watch.date(provider.alias, provider.node.dated)

    async def _header_at(self, provider: Provider, number: BlockNumber) -> L1Header | None:
        try:
            return await self._nodes.ask_one(provider.node, at_height(number))
        except UpstreamError as failure:
            provider.asked_in_vain(failure)
            return None

    async def _confirmed(self, question: Question) -> L1Header:
        """A header that as many providers give as must agree on the head, from those that are believed."""
        trusted = [provider for provider in self._providers if provider.distrusted is None] or self._providers
        order = sorted(trusted, key=lambda provider: (not provider.is_usable, provider is not self._head_from))

        async def ask(provider: Provider) -> L1Header:
            try:
                return await self._nodes.ask_one(provider.node, question)
            except UpstreamError as failure:
                provider.asked_in_vain(failure)
                raise

        return await self._in_time(confirmed_header(order, ask, self._quorum))

    def _recent_head(self, provider: Provider) -> L1Header | None:
        return provider.vouched_head(self._window_seconds)

    def _by_alias(self, alias: str) -> Provider:
        return next(provider for provider in self._providers if provider.alias == alias)

    @property
    def _is_public(self) -> bool:
        chain_id = self._nodes.known_chain_id
        return chain_id is not None and Network(chain_id, chain_id).is_public
