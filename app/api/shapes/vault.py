"""The fee vault."""

from typing import Annotated, Literal

from pydantic import Field

from app.api.shapes.wire import BALANCE_TEXT, WEI_TEXT, Wire


class AddressShape(Wire):
    """An address whose balance counts."""

    layer: Literal["l1", "l2"]
    address: str


class ReadingShape(AddressShape):
    """One address's balance, and the block it was read at."""

    block_number: int
    balance_wei: str = Field(pattern=WEI_TEXT)


class VaultAnswer(Wire):
    """The vault as the current quote takes it, and how it is read."""

    network: str | None
    configured: bool
    explanation: str | None
    source: Literal["none", "static", "onchain", "push"]
    condition: Literal["current", "held", "expired"] | None
    failure_reason: str | None
    observed_at: str | None = Field(description="time of the L1 head that the balance belongs to")
    balance_wei: str | None = Field(pattern=WEI_TEXT)
    target_wei: str | None = Field(pattern=WEI_TEXT)
    deficit_wei: str | None = Field(pattern=WEI_TEXT)
    deficit_ratio: float | None
    priced_deficit_wei: str | None = Field(pattern=WEI_TEXT, description="the deficit that enters the formula")
    surplus_discount: bool
    max_age_seconds: int
    sequence: int | None = Field(description="of the balance that was pushed last; null unless the source is push")
    reported_at: str | None
    from_block: int | None = Field(description="the first L1 block that it may govern")
    reported_by: str | None
    addresses: list[AddressShape]
    readings: list[ReadingShape]


class VaultReportRequest(Wire):
    """A balance to push."""

    balance_wei: Annotated[str, Field(pattern=BALANCE_TEXT)] | Annotated[int, Field(ge=0, lt=10**30)] = Field(
        description="wei, at least 0 and below 10^30"
    )
    sequence: int = Field(ge=1, lt=2**53, description="above the last one's; an identical repeat is no error")


class VaultReportAnswer(Wire):
    """The balance in force."""

    balance_wei: str = Field(pattern=WEI_TEXT)
    sequence: int
    from_block: int | None = Field(description="the first L1 block that it may govern; null: the first to be priced")
    reported_at: str = Field(description="RFC 3339")
    actor: str = Field(description="the name of the token's holder")
    network: str | None
