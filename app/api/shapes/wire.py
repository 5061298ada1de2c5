"""What every shape is made of."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

REFERENCE: Final = "#/components/schemas/{model}"
WEI_TEXT: Final = r"^-?[0-9]+$"
RATIO_TEXT: Final = r"^(\+?[0-9]{1,40}(\.[0-9]{1,40})?|-0{1,40}(\.0{1,40})?)$"
"""A ratio in a request: a plain decimal number of at least 0, with up to 40 digits on each side."""
SHARE_TEXT: Final = r"^(\+?0{1,40}(\.[0-9]{1,40})?|\+?0{0,39}1(\.0{1,40})?|-0{1,40}(\.0{1,40})?)$"
"""A ratio of at most 1."""
GWEI_TEXT: Final = (
    r"^(\+?0{0,33}([0-9]{1,6}|[1-8][0-9]{6}|900[0-6][0-9]{3}|90070[0-9]{2}|90071[0-8][0-9]|900719[0-8])"
    r"(\.[0-9]{1,9}0{0,31})?|\+?0{0,33}9007199(\.0{1,40})?|-0{1,40}(\.0{1,40})?)$"
)
"""A price in a request: 0 to 9007199 gwei, whole wei."""
BALANCE_TEXT: Final = r"^(0{0,2}[0-9]{1,30}|-0{1,31})$"
"""A balance in a request: whole wei, at least 0 and below 10^30."""
DEFICIT_TEXT: Final = r"^(0{0,2}|-0?)[0-9]{1,30}$"
"""A deficit in a request: whole wei, below 10^30 in size."""
NOT_BLANK: Final = r"\S"
ABOVE_ZERO: Final[dict[str, Any]] = {"allOf": [{"pattern": "[1-9]"}]}
"""Of a ratio that is not 0: it has another digit."""


def _title(name: str, _info: object) -> str:
    return to_camel(name)


class Wire(BaseModel):
    """A JSON object. A key with a default may be left out; every other is always there."""

    model_config = ConfigDict(alias_generator=to_camel, field_title_generator=_title, extra="forbid", frozen=True)


def without_default(schema: dict[str, Any]) -> None:
    """A key that is only there on request has no default value."""
    del schema["default"]
