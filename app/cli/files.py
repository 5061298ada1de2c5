"""Files that commands write."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Final

from app.domain.errors import OracleError

STANDARD_OUTPUT: Final = Path("-")


class UnwritableFileError(OracleError):
    """A file cannot be written where it was asked for."""


@contextmanager
def written_to(out: Path) -> Iterator[IO[str]]:
    """A file that takes the place of `out` once it is complete; one that breaks off leaves `out` as it was.

    Raises `UnwritableFileError` where it cannot be written.
    """
    if out == STANDARD_OUTPUT:
        yield sys.stdout
        return
    try:
        with NamedTemporaryFile("w", dir=out.parent, prefix=f".{out.name}.", encoding="utf-8", delete=False) as file:
            unfinished = Path(file.name)
            try:
                yield file
            except BaseException:
                unfinished.unlink()
                raise
        unfinished.chmod(0o666 & ~_umask())
        unfinished.replace(out)
    except OSError as error:
        raise UnwritableFileError(f"cannot write {out}: {error.strerror}") from None


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
