"""`config check` and `config show`."""

from typing import Final

from app.cli.exits import EXIT_OK
from app.cli.invocation import Invocation
from app.cli.output import print_columns, print_json, print_line, say_each
from app.settings import SettingsError

_NO_L1: Final = "no L1 node is set: serve needs TAIKO_L1_RPC_URLS or --devnet"


def check_command(invocation: Invocation) -> int:
    try:
        loaded = invocation.load()
    except SettingsError as error:
        if invocation.wants_json:
            print_json({"ok": False, "problems": error.problems, "warnings": error.warnings, "advice": [], "notes": []})
        raise
    advice = loaded.settings.advice()
    notes = [] if loaded.settings.l1_endpoints() else [_NO_L1]
    if invocation.wants_json:
        said = [{"code": entry.code, "message": entry.message} for entry in advice]
        print_json({"ok": True, "problems": [], "warnings": loaded.warnings, "advice": said, "notes": notes})
    else:
        say_each("advice", (entry.message for entry in advice))
        say_each("note", notes)
        print_line("the settings are valid")
    return EXIT_OK


def show_command(invocation: Invocation) -> int:
    loaded = invocation.load()
    shown = loaded.settings.redacted()
    if invocation.wants_json:
        print_json({name: {"value": value, "source": loaded.sources[name]} for name, value in shown.items()})
        return EXIT_OK
    rows = [(name, "unset" if value is None else value, loaded.sources[name]) for name, value in shown.items()]
    print_columns(rows)
    return EXIT_OK
