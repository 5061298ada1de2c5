"""The unit of `deploy/systemd`, with its drop-in and its file of settings."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

SYSTEMD = Path(__file__).parent.parent.parent / "deploy" / "systemd"
UNIT = SYSTEMD / "taiko-fee-oracle.service"
DROP_IN = SYSTEMD / "postgresql.conf"
ENVIRONMENT_FILE = SYSTEMD / "oracle.env"

Section = dict[str, list[str]]
"""Every value of each key, in their order."""


def service_section(path: Path = UNIT) -> Section:
    """What `[Service]` says. No line of these files goes on in the next."""
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\\$", text, flags=re.MULTILINE)
    (section,) = re.findall(r"^\[Service\]\n(.*?)(?=^\[|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    found: Section = {}
    for line in section.splitlines():
        if line.strip() and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def only(section: Mapping[str, list[str]], key: str) -> str:
    """The one value of a key."""
    (value,) = section[key]
    return value


def environment(credentials: Path, state: Path, *drop_ins: Path) -> dict[str, str]:
    """What the service is given, with its places under those directories; the file of settings overrides the unit."""
    pairs = [
        pair
        for path in (UNIT, *drop_ins)
        for value in service_section(path)["Environment"]
        for pair in shlex.split(value)
    ]
    lines = ENVIRONMENT_FILE.read_text(encoding="utf-8").splitlines()
    pairs += [line for line in lines if line.strip() and not line.startswith("#")]
    places = {"%d": str(credentials), "%S": str(state)}
    found = dict(pair.split("=", 1) for pair in pairs)
    return {name: re.sub("%[dS]", lambda found: places[found[0]], value) for name, value in found.items()}


def credentials_of(*drop_ins: Path) -> dict[str, str]:
    """Where the host keeps each credential."""
    return dict(value.split(":", 1) for path in (UNIT, *drop_ins) for value in service_section(path)["LoadCredential"])
