"""Who may administer, as people configure it. A token is never shown."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from app.domain.admin_tokens import GREATEST_FILE_BYTES, TOKEN_ALLOWED, TokensFileError, is_token, tokens_of
from app.domain.errors import InvalidValueError
from app.settings.kinds import Kind


@dataclass(frozen=True, slots=True)
class Secret:
    """A text that is never shown, not even in a repr."""

    text: str = field(repr=False)


def _read_token(name: str, text: str) -> Secret:
    if "://" in text:
        raise InvalidValueError(name, "***", "a token, which is no URL")
    if not is_token(text):
        raise InvalidValueError(name, f"*** ({len(text)} characters)", TOKEN_ALLOWED)
    return Secret(text)


def _read_path(name: str, text: str) -> Path:
    if is_token(text) and not {"/", "."} & set(text):
        raise InvalidValueError(name, "*** (it looks like a token)", "the path of a file")
    if not text.isprintable() or "://" in text:
        raise InvalidValueError(name, text, "the path of a file")
    return Path(text)


def tokens_file_problems(name: str, path: Path | None) -> Iterator[str]:
    """What is wrong with the tokens file at `path`; none where there is none. No text of a line is repeated."""
    if path is None:
        return
    try:
        if path.exists() and not path.is_file():
            yield f"{name}: {path}: expected a regular file"
            return
        with path.open("rb") as file:
            tokens_of(file.read(GREATEST_FILE_BYTES + 1))
    except OSError as error:
        yield f"{name}: {path}: cannot be read ({error.strerror})"
    except TokensFileError as error:
        yield f"{name}: {path} {error}" if error.line else f"{name}: {path}: {error}"


def _write_token(_token: Secret) -> str:
    return "***"


TOKEN: Final = Kind(_read_token, _write_token, "TOKEN")
PATH: Final = Kind(_read_path, str, "FILE")
