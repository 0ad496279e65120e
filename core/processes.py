"""One function in several worker processes: tasks go out, results come back as they are ready, deaths are told."""

import contextlib
import pickle
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Generic, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

Stop = Callable[[], bool]
"""Whether a task is to end early, with what it has."""


def never() -> bool:
    """The `Stop` that lets everything end by itself."""
    return False


Make = Callable[[], Callable[[Task, Stop], Result]]
"""Called once in a worker; what it returns is called for every task there. It travels as a pickle."""


_PATIENCE = 0.2
"""Seconds between two looks at whether to stop."""


@dataclass(frozen=True)
class Died:
    """In the place of a result: the worker ended while it was at its task."""

    reason: str


@dataclass(eq=False)
class _Worker(Generic[Task]):
    process: BaseProcess
    connection: "Connection[Any, Any]"
    task: Task | None = None


class Workers(Generic[Task, Result]):
    """A context in which worker processes live; none outlives it, nor the process that made it.

    Ctrl-C reaches this process alone. Workers are started afresh, not forked: threads and accelerators stay sound.

    Args:
        makes: one a worker.
    """

    def __init__(self, makes: Sequence[Make[Task, Result]]) -> None:
        self._ready: list[tuple[Task, Result | Died]] = []
        self._workers: list[_Worker[Task]] = [_start(make) for make in makes]

    def __enter__(self) -> "Workers[Task, Result]":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        for worker in self._workers:
            worker.connection.close()
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join()

    def run(self, tasks: Iterable[Task], *, stop: Stop = never) -> Iterator[tuple[Task, Result | Died]]:
        """Hand out a task to every worker at once, the others as workers come free; results as they are ready.

        Once `stop` is true no task is handed out, and workers are asked to end theirs early.

        A worker holds one task; its result waits with it until it is asked for, so little is done ahead. Where no
        worker is left, every task that remains is answered by `Died`.
        """
        remaining = iter(tasks)
        for worker in list(self._workers):
            self._hand(worker, remaining)
        return self._results(remaining, stop)

    def stop(self) -> Iterator[tuple[Task, Result | Died]]:
        """Ask all workers to end their tasks early; what they had, and what was not yet asked for."""
        for worker in self._workers:
            with contextlib.suppress(OSError):
                worker.connection.send_bytes(pickle.dumps(None))
        return self._results(iter(()), never)

    def _results(self, remaining: Iterator[Task], stop: Stop) -> Iterator[tuple[Task, Result | Died]]:
        while True:
            if stop():
                yield from self.stop()
                return
            while self._ready:
                yield self._ready.pop(0)
            busy = {worker.connection: worker for worker in self._workers if worker.task is not None}
            if not busy:
                break
            for connection in wait(list(busy), timeout=_PATIENCE):
                worker = busy[connection]  # type: ignore[index]  # one of those given
                self._receive(worker)
                self._hand(worker, remaining)  # before the result is looked at: it goes on meanwhile
        for task in remaining:
            yield task, Died("no worker process is left")

    def _receive(self, worker: _Worker[Task]) -> None:
        task, worker.task = worker.task, None
        assert task is not None
        try:
            self._ready.append((task, pickle.loads(worker.connection.recv_bytes())))
        except (EOFError, OSError):
            self._workers.remove(worker)
            worker.process.join()
            code = worker.process.exitcode or 0
            how = f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended with exit code {code}"
            self._ready.append((task, Died(f"the worker process {how}")))

    def _hand(self, worker: _Worker[Task], remaining: Iterator[Task]) -> None:
        """Give a worker, if it still lives, its next task; one that is dead is found out when it is to answer."""
        task = next(remaining, None) if worker in self._workers else None
        if task is not None:
            worker.task = task
            with contextlib.suppress(OSError):
                worker.connection.send_bytes(pickle.dumps(task))


def _start(make: Make[Task, Result]) -> _Worker[Task]:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, make), daemon=True)
    with _without_ctrl_c():  # a child inherits that: it has no moment in which Ctrl-C finds it
        process.start()
    theirs.close()
    return _Worker(process, ours)


@contextlib.contextmanager
def stop_at_ctrl_c() -> Iterator[Stop]:
    """For commands: inside, the first Ctrl-C only makes the yielded function true, the second interrupts as always.

    In other threads than the main one, which receive no signals, it is never true.
    """
    pressed = threading.Event()

    def note(number: int, frame: object) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, before)

    if threading.current_thread() is not threading.main_thread():
        yield pressed.is_set
        return
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, note)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _without_ctrl_c() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: "Connection[Any, Any]", make: Make[Task, Result]) -> None:
    """A worker's life: it ends with its pipe, or when it is told."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    work = make()
    with contextlib.suppress(EOFError, ConnectionError):  # the process that made it is gone
        while (task := pickle.loads(connection.recv_bytes())) is not None:
            # while it works nothing comes but the word to stop, or the end of the pipe
            connection.send_bytes(pickle.dumps(work(task, connection.poll)))
