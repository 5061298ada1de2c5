"""`python confined.py CALLS COMMAND…` runs a command with no system calls but those that the file CALLS names.

As systemd does it: any other fails with EPERM, no privilege is gained, and no memory is writable and executable.
"""

import ctypes
import errno
import os
import sys
from pathlib import Path

_ALLOW = 0x7FFF0000
_FAIL = 0x00050000 | errno.EPERM
_PR_SET_MDWE = 65
_REFUSE_EXEC_GAIN = 1


def confine(calls: list[str]) -> None:
    """Confine this process, and those that it becomes or starts. Raises `OSError` where the kernel does not do it."""
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(_FAIL)))
    for name in calls:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            _require(library.seccomp_rule_add(context, ctypes.c_uint32(_ALLOW), number, 0))
    _require(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_MDWE, _REFUSE_EXEC_GAIN, 0, 0, 0))
    _require(library.seccomp_load(context))


def _require(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), "the kernel does not confine")


if __name__ == "__main__":
    confine(Path(sys.argv[1]).read_text(encoding="utf-8").split())
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - that is what it is for
