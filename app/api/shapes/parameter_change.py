"""A change of the fee parameters, and what came of it."""

from typing import Literal

from pydantic import ConfigDict, Field

from app.api.shapes.parameters import AdviceShape, ParameterChanges, ParametersShape, SourceShape
from app.api.shapes.wire import NOT_BLANK, Wire
from app.domain.amendment import LONGEST_REASON


class ParameterChangeRequest(ParameterChanges):
    """Parameters to change from the next L1 block on, at least one, and why."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": [field.alias]} for field in ParameterChanges.model_fields.values()]}
    )

    reason: str | None = Field(
        default=None,
        min_length=1,
        max_length=LONGEST_REASON,
        pattern=NOT_BLANK,
        description="printable, on one line, with plain spaces, and not blank",
    )


class DifferenceShape(Wire):
    """One parameter that a change changed: its value, or only who set it."""

    old: str | int | None
    old_source: SourceShape
    new: str | int | None
    new_source: SourceShape


class OutlookHead(Wire):
    """The L1 head that the fees are for."""

    block_number: int
    base_fee_per_gas: int | None
    next_base_fee_per_gas: int | None


class OutlookNext(Wire):
    """The next block, at its exact base fee, with the vault unchanged."""

    block_number: int
    fee_per_gas: int


class OutlookFee(Wire):
    """The fee per L2 gas at the head, in wei."""

    fee_per_gas: int
    raw_fee_per_gas: int | None
    bound: Literal["none", "min", "max", "rate_up", "rate_down"]
    next: OutlookNext


class OutlookShape(Wire):
    """The fee at the present head before and after the change, on the same path."""

    l1: OutlookHead
    before: OutlookFee = Field(description="as the quote in force has it")
    after: OutlookFee = Field(description="as it would be; the quote that is served stays as it is until the next head")


class ParameterChangeAnswer(Wire):
    """What a change made of the parameters, or would make of them."""

    network: str | None
    dry_run: bool
    number: int | None = Field(description="of the change in force, in the audit trail; null for a dry run")
    from_block: int | None = Field(description="the first L1 block that it governs; null: the first to be priced")
    at: str | None = Field(description="RFC 3339; null for a dry run")
    actor: str = Field(description="the name of the token's holder")
    reason: str | None
    changed: dict[str, DifferenceShape] = Field(description="empty where everything was in force already")
    previous_parameters_id: str
    parameters_id: str
    parameters: ParametersShape
    sources: dict[str, SourceShape]
    fee: OutlookShape | None = Field(description="null before the first quote")
    advice: list[AdviceShape]
