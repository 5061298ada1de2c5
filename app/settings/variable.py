"""One `TAIKO_*` variable, and everything that is said of it."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, Final

from app.settings.kinds import Kind

PREFIX: Final = "TAIKO_"

FEE: Final = "Fee parameters"
L1: Final = "L1"
L2: Final = "L2"
VAULT: Final = "Vault"
FRESHNESS: Final = "Freshness"
STATE: Final = "Journal"
ACCESS: Final = "Administration"
SERVER: Final = "HTTP and log"
ALERTS: Final = "Alert thresholds"
GROUPS: Final = (FEE, L1, L2, VAULT, FRESHNESS, STATE, ACCESS, SERVER, ALERTS)


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable, and all that is said of it."""

    group: str
    description: str
    kind: Kind
    default: str | None = None
    _: KW_ONLY
    shown_default: str | None = None
    """What people read where the default is not a fixed text."""
    example: str | None = None
    holds_urls: bool = False
    """Whether the value may hold keys; its kind never says them."""
    is_secret: bool = False
    """Whether the value is a key: it has no flag, since every process can be listed with its arguments."""
    contents_of: str | None = None
    """The variable whose value is in the file that this one names."""
    parameter: str | None = None
    """The JSON key, where the variable is a fee parameter."""
    attribute: str = ""
    """The field of `Settings` that it describes."""

    @property
    def name(self) -> str:
        """As in the environment."""
        return PREFIX + self.attribute.upper()

    @property
    def flag(self) -> str:
        """As on the command line."""
        return "--" + self.attribute.replace("_", "-")

    @property
    def default_value(self) -> Any:  # noqa: ANN401 - the type is the attribute's
        """The value where nobody sets one."""
        return None if self.default is None else self.kind.read(self.name, self.default)

    @property
    def default_text(self) -> str:
        """The default as people read it."""
        return self.shown_default or self.default or "unset"
