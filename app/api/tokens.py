"""Who may administer: bearer tokens, known by their digests alone."""

import hmac
import os
import stat
from pathlib import Path
from typing import Final

import structlog

from app.domain.admin_tokens import GREATEST_FILE_BYTES, AdminToken, TokensFileError, digest_of, is_token, tokens_of

ADMIN: Final = "admin"
"""The actor behind the one token of the settings."""

log = structlog.stdlib.get_logger("app")

_Version = tuple[int, int, int, int]


class AdminTokens:
    """One token of the settings, and a file of further ones that is read again when it changes.

    A file that cannot be used any more leaves those in force that it last named: a slip of the editor locks nobody out,
    and lets nobody in.
    """

    def __init__(self, token: str | None, file: Path | None) -> None:
        self._own = () if token is None else (AdminToken(ADMIN, digest_of(token)),)
        self._file = file
        self._named: tuple[AdminToken, ...] = ()
        self._version: _Version | None = None
        self._fault: str | None = None
        self._refresh()

    def actor_of(self, token: str) -> str | None:
        """Who holds `token`; None for nobody. Takes as long for a wrong token as for any right one."""
        self._refresh()
        if not is_token(token):
            return None
        digest = digest_of(token)
        actor = None
        for known in (*self._named, *self._own):
            if hmac.compare_digest(known.digest, digest):
                actor = known.actor
        return actor

    def _refresh(self) -> None:
        if self._file is None:
            return
        try:
            self._read_anew(self._file)
        except TokensFileError as error:
            self._keep(str(error))
        except OSError as error:
            self._keep(error.strerror or "unreadable")

    def _read_anew(self, path: Path) -> None:
        """Take over the file where it is another one than the last that was read."""
        if _version_of(path.stat()) == self._version:
            return
        with path.open("rb") as file:
            version = _version_of(os.fstat(file.fileno()))
            self._named = tokens_of(file.read(GREATEST_FILE_BYTES + 1))
        self._version, self._fault = version, None
        log.info("admin_tokens_read", path=str(path), tokens=len(self._named))

    def _keep(self, fault: str) -> None:
        """Said once for each fault; the file is tried again at the next request."""
        self._version = None
        if fault != self._fault:
            self._fault = fault
            log.warning("admin_tokens_unreadable", path=str(self._file), fault=fault, tokens_kept=len(self._named))


def _version_of(found: os.stat_result) -> _Version:
    """What tells one content of a file from another without reading it: taken before it is read, never after."""
    if not stat.S_ISREG(found.st_mode):
        raise TokensFileError(None, "expected a regular file")
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size
