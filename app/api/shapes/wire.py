"""What every shape is made of."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

REFERENCE: Final = "#/components/schemas/{model}"
WEI_TEXT: Final = r"^-?[0-9]+$"


def _title(name: str, _info: object) -> str:
    return to_camel(name)


class Wire(BaseModel):
    """A JSON object. A key with a default may be left out; every other is always there."""

    model_config = ConfigDict(alias_generator=to_camel, field_title_generator=_title, extra="forbid", frozen=True)


def without_default(schema: dict[str, Any]) -> None:
    """A key that is only there on request has no default value."""
    del schema["default"]
