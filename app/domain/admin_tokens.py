"""Who may administer: bearer tokens by their digests, and the file that names their holders."""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Final

from app.domain.errors import OracleError
from app.domain.governance import ENVIRONMENT_ACTOR

LEAST_TOKEN_CHARACTERS: Final = 32
GREATEST_TOKEN_CHARACTERS: Final = 512
GREATEST_FILE_BYTES: Final = 64 * 1024
TOKEN_ALLOWED: Final = (
    f"{LEAST_TOKEN_CHARACTERS} to {GREATEST_TOKEN_CHARACTERS} visible ASCII characters, without blanks"
)

_TOKEN: Final = re.compile(f"[!-~]{{{LEAST_TOKEN_CHARACTERS},{GREATEST_TOKEN_CHARACTERS}}}")
_LINE: Final = re.compile(r"([A-Za-z0-9_.@-]{1,64}):([0-9a-fA-F]{64})")


@dataclass(frozen=True, slots=True)
class AdminToken:
    """A token by its SHA-256, and who holds it."""

    actor: str
    digest: bytes = field(repr=False)


class TokensFileError(OracleError):
    """A tokens file cannot be used. Names the line where it is one line's fault, and repeats nothing of it."""

    def __init__(self, line: int | None, why: str) -> None:
        super().__init__(why if line is None else f"line {line}: {why}")
        self.line = line


def is_token(text: str) -> bool:
    """Whether `text` is long enough to be a token, not too long, and of the characters of one."""
    return _TOKEN.fullmatch(text) is not None


def digest_of(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("ascii", "backslashreplace")).digest()


def tokens_of(content: bytes) -> tuple[AdminToken, ...]:
    """The tokens of a file of `name:sha256` lines, in which `#` begins a comment and a name may have several tokens.

    Raises `TokensFileError` for any other line, a digest that is there twice, and a file without a line: that is one
    that is being written. One of comments alone is meant, and lets nobody in.
    """
    found: dict[bytes, AdminToken] = {}
    text = _text_of(content)
    if not text.strip():
        raise TokensFileError(None, "the file is empty, expected lines of name:sha256")
    for number, line in enumerate(text.splitlines(), start=1):
        entry = line.partition("#")[0].strip()
        if not entry:
            continue
        match = _LINE.fullmatch(entry)
        if match is None:
            raise TokensFileError(number, "expected name:sha256, the token's SHA-256 as 64 hex digits")
        if match[1].lower() == ENVIRONMENT_ACTOR:
            raise TokensFileError(number, f"expected another name than {ENVIRONMENT_ACTOR}, which the settings act by")
        digest = bytes.fromhex(match[2])
        if digest in found:
            raise TokensFileError(number, f"expected another token than {found[digest].actor}'s: each token once")
        found[digest] = AdminToken(match[1], digest)
    return tuple(found.values())


def _text_of(content: bytes) -> str:
    if len(content) > GREATEST_FILE_BYTES:
        raise TokensFileError(None, f"the file is too long, expected at most {GREATEST_FILE_BYTES} bytes")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise TokensFileError(None, "the file is not UTF-8 text") from None
