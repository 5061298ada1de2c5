"""Values that are kept in files of their own, as orchestrators hand secrets over. No text of a file is repeated."""

from pathlib import Path
from typing import Final

from app.settings.errors import SettingsError

_GREATEST_BYTES: Final = 65_536


def contents(name: str, path: Path) -> str:
    """The text in the file at `path`, which the variable `name` names, without the blanks around it.

    Raises `SettingsError` with one line that says what is wrong with the file.
    """
    try:
        if path.exists() and not path.is_file():
            raise _refused(name, path, "expected a regular file")
        with path.open("rb") as file:
            content = file.read(_GREATEST_BYTES + 1)
    except OSError as error:
        raise _refused(name, path, f"cannot be read ({error.strerror})") from None
    if len(content) > _GREATEST_BYTES:
        raise _refused(name, path, f"expected at most {_GREATEST_BYTES} bytes")
    try:
        text = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise _refused(name, path, "cannot be read (not UTF-8 text)") from None
    if not text:
        raise _refused(name, path, "the file is empty")
    return text


def _refused(name: str, path: Path, said: str) -> SettingsError:
    return SettingsError((f"{name}: {path}: {said}",))
