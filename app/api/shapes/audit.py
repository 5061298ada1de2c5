"""The trail of what people decided."""

from typing import Literal

from pydantic import Field

from app.api.shapes.parameter_change import DifferenceShape
from app.api.shapes.wire import WEI_TEXT, Wire


class AuditedChange(Wire):
    """A parameter change."""

    number: int = Field(description="1, 2, 3, … in the order of the store")
    at: str = Field(description="RFC 3339")
    actor: str = Field(description="the name of the token's holder; `environment` for a start under other settings")
    reason: str | None
    from_block: int | None = Field(description="the first L1 block that it governs; null: the first to be priced")
    previous_parameters_id: str | None = Field(description="null for the first, or where the one before is gone")
    parameters_id: str
    changed: dict[str, DifferenceShape] | None = Field(
        description="of the first, against the defaults; null where the one before is gone or unreadable"
    )


class AuditedReport(Wire):
    """A pushed vault balance."""

    sequence: int
    at: str = Field(description="RFC 3339")
    actor: str
    from_block: int | None
    previous_balance_wei: str | None = Field(pattern=WEI_TEXT, description="null where there is none any more")
    balance_wei: str = Field(pattern=WEI_TEXT)


class UndecodableDecisionShape(Wire):
    """A decision in the store that cannot be read any more."""

    number: int
    detail: str


class AuditAnswer(Wire):
    """A page of the trail, newest first."""

    entries: list[AuditedChange | AuditedReport]
    undecodable: list[UndecodableDecisionShape]
    kind: Literal["parameters", "vault"]
    next: str | None = Field(description="the path of the next page, to be followed as it stands; null: there is none")
    network: str
