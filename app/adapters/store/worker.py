"""One thread that does blocking work in order, and that can be left behind."""

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Generic, Protocol, TypeVar

Result = TypeVar("Result")


class Breakable(Protocol):
    """What the work is done with: used by the worker's thread alone, but for `break_off`."""

    def break_off(self) -> None:
        """Make whatever blocks the worker's thread fail, now and from now on. Never blocks."""
        ...

    def close(self) -> None:
        """Let go of what is open. Raises nothing."""
        ...


Tool = TypeVar("Tool", bound=Breakable)


class Worker(Generic[Tool]):
    """A daemon thread: unlike a pool's, the end of the process does not wait for it."""

    def __init__(self, make_tool: Callable[[], Tool]) -> None:
        self._make_tool = make_tool
        self._tool: Tool | None = None
        self._is_left = False
        self._jobs = SimpleQueue[Callable[[], None] | None]()
        self._thread = Thread(target=self._run, name="store", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the thread still runs, or hangs."""
        return self._thread.is_alive()

    def submit(self, work: Callable[[Tool], Result]) -> Future[Result]:
        """Do `work` after everything that was submitted before it."""
        future = Future[Result]()
        self._jobs.put(lambda: self._do(work, future))
        return future

    def leave(self) -> None:
        """Break off what is being done. The thread ends by itself as soon as that lets go of it."""
        self._is_left = True
        self._jobs.put(None)
        if self._tool is not None:
            self._tool.break_off()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
        if self._tool is not None:
            self._tool.close()

    def _do(self, work: Callable[[Tool], Result], future: Future[Result]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(work(self._ready_tool()))
        except BaseException as error:  # noqa: BLE001 - carried to the caller, as it is
            future.set_exception(error)

    def _ready_tool(self) -> Tool:
        if self._tool is None:
            self._tool = self._make_tool()
            if self._is_left:
                self._tool.break_off()
        return self._tool
