"""Wrong command lines, answered without repeating what may be secret."""

import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, Final, NoReturn

from app.settings import redacted_urls

PROGRAM: Final = "taiko-fee-oracle"


class Parser(argparse.ArgumentParser):
    """Without abbreviations, and without a URL or a stray argument in what it says: either may be a key."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - argparse's own
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and end with exit 2."""
        super().error(redacted_urls(message))

    def refuse(self, unknown: Sequence[str], argv: Sequence[str]) -> NoReturn:
        """End with exit 2, naming the first option in `unknown`; else the place in `argv` of what is too much."""
        options = [argument.partition("=")[0] for argument in unknown if argument.startswith("-") and argument != "--"]
        if not options:
            self.error(f"argument {argv.index(unknown[0]) + 1} is unexpected")
        option, known = options[0], sorted(self._option_string_actions)
        if option in known:
            self.error(f"{option} stands after the command")
        nearest = get_close_matches(option, known, n=1, cutoff=0.75)
        self.error(f"unknown option {option}" + (f": did you mean {nearest[0]}?" if nearest else ""))

    def _check_value(self, action: argparse.Action, value: Any) -> None:  # noqa: ANN401 - argparse's own
        """As argparse does, but without repeating what came: before a command it may be an option's value."""
        if action.choices is None or value in action.choices:
            return
        choices = list(action.choices)
        nearest = get_close_matches(value, choices, n=1, cutoff=0.75)
        known = f"did you mean {nearest[0]}?" if nearest else f"expected one of {', '.join(choices)}, then its options"
        raise argparse.ArgumentError(action, f"unknown: {known}")
