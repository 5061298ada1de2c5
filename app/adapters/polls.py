"""One poll: who was asked for the head, what came of it, and when that is enough to decide."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Final

from app.adapters.provider import Provider, shown
from app.domain.header import L1Header
from app.domain.quorum import Agreement, agreed_head, differing_fields, lagging_heights
from app.domain.units import BlockNumber
from app.engine.ports import UpstreamError

STRAGGLERS_SECONDS: Final = 0.5
"""How long answers are waited for before those that lag are compared with those that are ahead."""

Confirm = Callable[[Provider, BlockNumber], Coroutine[None, None, L1Header | None]]


class Poll:
    """The providers that are asked now, and what they vouch for."""

    def __init__(self, asked: Sequence[Provider], quorum: int) -> None:
        self.asked = asked
        self._quorum = quorum
        self._settles_at = asyncio.get_running_loop().time() + STRAGGLERS_SECONDS
        self._confirmed: dict[str, list[L1Header]] = {provider.alias: [] for provider in asked}
        self._confirming: dict[tuple[str, BlockNumber], asyncio.Task[None]] = {}

    @property
    def is_pending(self) -> bool:
        """Whether anything is still to come."""
        return self._waits_for_heads or any(not task.done() for task in self._confirming.values())

    @property
    def seconds_to_settle(self) -> float | None:
        """How long until the stragglers are no longer waited for; None once they are not."""
        left = self._settles_at - asyncio.get_running_loop().time()
        return left if left > 0 else None

    def first_of(self, order: Sequence[Provider], *, final: bool) -> Agreement | None:
        """The head of the first provider in `order` that has one; None while a better one may still answer."""
        for provider in order:
            if isinstance(provider.outcome, L1Header):
                return Agreement(provider.outcome, (provider.alias,))
            if provider.is_pending and not final:
                return None
        return None

    def agreement_at_once(self) -> Agreement | None:
        """The head that enough providers gave in this very poll."""
        return agreed_head({provider.alias: [head] for provider, head in self._heads()}, self._quorum)

    def agreement(
        self, recent: Callable[[Provider], L1Header | None], everyone: Sequence[Provider]
    ) -> Agreement | None:
        """The newest header that enough providers vouch for, by their recent heads and by older blocks asked for."""
        vouched: dict[str, Collection[L1Header]] = {}
        for provider in everyone:
            head = recent(provider)
            vouched[provider.alias] = [*([] if head is None else [head]), *self.confirmed(provider)]
        return agreed_head(vouched, self._quorum)

    def confirmed(self, provider: Provider) -> Sequence[L1Header]:
        """The older blocks that `provider` was asked for in this poll."""
        return self._confirmed.get(provider.alias, ())

    @property
    def has_settled(self) -> bool:
        """Whether answers that lag may be compared now."""
        return self.seconds_to_settle is None or not self._waits_for_heads

    def ask_those_ahead(self, confirm: Confirm, changed: Callable[[], None]) -> None:
        """Ask providers that are ahead for the blocks that others have as their heads, each once in a poll."""
        providers = {provider.alias: (provider, head) for provider, head in self._heads()}
        heads = {alias: head for alias, (_, head) in providers.items()}
        for alias, height in lagging_heights(heads):
            if (alias, height) not in self._confirming:
                work = self._note_confirmation(providers[alias][0], height, confirm, changed)
                self._confirming[alias, height] = asyncio.create_task(work)

    def collect(self) -> None:
        """Let what went wrong in the tasks, beyond expected failures, come to light."""
        for provider in self.asked:
            provider.collect()
        for task in self._confirming.values():
            if task.done():
                task.result()

    def end(self) -> None:
        """Give up the questions about older blocks that are still under way."""
        for task in self._confirming.values():
            task.cancel()

    def contradictions(self) -> Sequence[tuple[Provider, BlockNumber, tuple[str, ...]]]:
        """Whose heads differ from the most preferred one's at its height, and in what."""
        heads = self._heads()
        pairs = [(provider, head, differing_fields(heads[0][1], head)) for provider, head in heads[1:]]
        return [(provider, head.number, named) for provider, head, named in pairs if head.number == heads[0][1].number]

    def undecided(self) -> UpstreamError:
        """Why there is no head: every failure where nobody gave one, else who gave what."""
        failures = [each.outcome for each in self.asked if isinstance(each.outcome, UpstreamError)]
        silent = [each.alias for each in self.asked if each.outcome is None]
        given = [f"{provider.alias} gives {shown(head)}" for provider, head in self._heads()]
        late = [f"{alias}: timeout: no answer yet" for alias in silent]
        first = self.asked[0].alias
        if given:
            detail = "; ".join((*given, *map(str, failures), *late))
            return UpstreamError(first, "no_quorum", f"{self._quorum} must agree: {detail}")
        if not failures:
            return UpstreamError(first, "timeout", "; ".join(late))
        leading, *others = failures
        return UpstreamError(leading.provider, leading.reason, "; ".join((leading.detail, *map(str, others), *late)))

    @property
    def _waits_for_heads(self) -> bool:
        return any(provider.is_pending for provider in self.asked)

    def _heads(self) -> Sequence[tuple[Provider, L1Header]]:
        return [(each, each.outcome) for each in self.asked if isinstance(each.outcome, L1Header)]

    async def _note_confirmation(
        self, provider: Provider, height: BlockNumber, confirm: Confirm, changed: Callable[[], None]
    ) -> None:
        try:
            header = await confirm(provider, height)
            if header is not None:
                self._confirmed[provider.alias].append(header)
        finally:
            changed()
