"""The command line. Whatever a command does not need is not imported."""

from app.cli.dispatch import run
from app.cli.parser import build_parser
from app.cli.services import Services
from app.cli.usage import PROGRAM

__all__ = ["PROGRAM", "Services", "build_parser", "run"]
