"""Every refusal."""

from pydantic import ConfigDict, Field

from app.api.shapes.wire import Wire


class InvalidValueShape(Wire):
    """A value that is not allowed."""

    name: str
    value: str
    allowed: str


class ProblemDetails(Wire):
    """RFC 9457 problem details. Further members depend on the type."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="stable, urn:taiko-fee-oracle:problem:…")
    title: str
    status: int
    detail: str
    network: str | None
    errors: list[InvalidValueShape] = Field(
        default=[], description="of invalid-value: each value that is not allowed, by name"
    )
