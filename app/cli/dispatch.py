"""From the arguments to an exit status."""

from collections.abc import Callable, Mapping, Sequence

from app.cli.exits import EXIT_CONFIGURATION, EXIT_UPSTREAM, EXIT_USAGE
from app.cli.invocation import Invocation
from app.cli.output import say, say_each
from app.cli.parser import build_parser
from app.cli.services import BootstrappedServices, Services
from app.domain.errors import NumberOutOfRangeError, OracleError
from app.engine.ports import StoreError, UpstreamError
from app.settings import SettingsError


def run(argv: Sequence[str], environ: Mapping[str, str], services: Services | None = None) -> int:
    """Run the command in `argv`; the exit status. Usage errors and `--help` raise `SystemExit`."""
    arguments, unknown = build_parser().parse_known_args(argv)
    if unknown:
        arguments.parser.refuse(unknown, argv)
    invocation = Invocation(arguments, environ, services or BootstrappedServices())
    command: Callable[[Invocation], int] = arguments.command
    try:
        return command(invocation)
    except SettingsError as error:
        say_each("warning", error.warnings)
        say_each("error", error.problems)
        return EXIT_CONFIGURATION
    except (UpstreamError, StoreError) as error:
        say(f"error: {error}")
        return EXIT_UPSTREAM
    except OracleError as error:
        say(f"error: {error}")
        return EXIT_USAGE if isinstance(error, NumberOutOfRangeError) else EXIT_CONFIGURATION
