"""`python -m tests.hurried_service FACTOR serve …`: the program, with every duration of its alerts divided by FACTOR.

Thresholds, the age at which a quote is stale, and all else go by the settings, as ever.
"""

import os
import sys

from app.bootstrap import serve
from app.cli import run
from app.cli.services import BootstrappedServices
from app.devnet.run import DevnetOptions
from app.domain.alert_table import AlertTiming
from app.settings import LoadedSettings


class HurriedServices(BootstrappedServices):
    """The real ones, but for the alerts' timing."""

    def __init__(self, factor: int) -> None:
        self._timing = AlertTiming(units_per_second=1000, hurry=factor)

    def serve(self, loaded: LoadedSettings, devnet: DevnetOptions | None) -> int:
        return serve(loaded, devnet, self._timing)


if __name__ == "__main__":
    sys.exit(run(sys.argv[2:], os.environ, HurriedServices(int(sys.argv[1]))))
