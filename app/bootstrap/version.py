"""The version that runs."""

from importlib.metadata import version
from typing import Final

VERSION: Final = version("taiko-fee-oracle")
