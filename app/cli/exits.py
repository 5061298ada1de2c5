"""How a command ends."""

from typing import Final

EXIT_OK: Final = 0
EXIT_CHECK_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_CONFIGURATION: Final = 3
EXIT_UPSTREAM: Final = 4
