"""What the oracle is doing."""

from typing import Literal

from pydantic import Field

from app.api.shapes.parameters import AdviceShape
from app.api.shapes.wire import Wire


class HeadShape(Wire):
    """The L1 head that the quote is made at."""

    number: int
    hash: str
    timestamp: int
    age_seconds: float
    base_fee_verified: bool


class QuoteSummary(Wire):
    """The quote that is served."""

    quote_id: str
    status: Literal["fresh", "stale", "expired"]
    stale_reason: Literal["l1_late", "l1_unreachable"] | None
    age_seconds: float
    fee_per_gas: int
    bound: str
    computed_at: str
    stale_at: str
    expires_at: str


class FeedShape(Wire):
    """What the poll loop is doing."""

    provider: str | None = Field(description="alias of the provider that gave the last head")
    agreeing_providers: int
    quorum: int = Field(description="how many distinct providers have to agree on a head")
    dissenting_providers: list[str] = Field(description="aliases of those whose header at the head's height differs")
    clock_offset_seconds: float | None = Field(
        description="how far this host's clock is ahead of what providers and heads say"
    )
    polls: int
    consecutive_failures: int
    failure_reason: str | None
    last_poll_at: str | None
    last_success_at: str | None
    last_pulse_age_seconds: float


class ProviderShape(Wire):
    """One L1 provider."""

    alias: str
    transport: Literal["http", "websocket"]
    state: Literal["closed", "open", "half_open"] = Field(
        description="of its breaker: closed is asked at every poll, open is left alone for a while"
    )
    head_number: int | None
    failure_reason: str | None
    dissenting: bool
    subscribed: bool | None = Field(description="whether its heads are pushed now; null where it cannot push")


class StoreShape(Wire):
    """What keeps the journal."""

    kind: Literal["sqlite", "postgresql"]
    required: bool = Field(description="whether nothing is served that the journal does not hold")
    reason: str | None = Field(description="what is wrong with it")
    detail: str | None
    degraded_since: str | None
    spooled: int = Field(description="entries that wait for the store")
    lost: int = Field(description="entries that are in no store and never will be, since the start")
    divergences: int = Field(description="entries that lost against another's for the same block, since the start")
    last_entry_at: str | None


class VaultSummary(Wire):
    """The vault, in short."""

    source: str
    condition: str | None
    failure_reason: str | None


class SettingsSummary(Wire):
    """Settings that explain the answers."""

    poll_interval_seconds: float
    pulse_limit_seconds: float
    stale_after_seconds: int
    expires_after_seconds: int
    vault_max_age_seconds: int
    blocks_per_batch: int


class Status(Wire):
    """What the oracle is doing."""

    network: str | None
    l2_chain_id: int
    version: str
    started_at: str
    uptime_seconds: float
    draining: bool
    head: HeadShape | None
    quote: QuoteSummary | None
    feed: FeedShape
    vault: VaultSummary
    journal: Literal["opening", "ok", "degraded"]
    store: StoreShape
    parameters_id: str
    advice: list[AdviceShape]
    providers: list[ProviderShape]
    settings: SettingsSummary
