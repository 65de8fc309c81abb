"""Work in processes that can be killed, such as the decoding of a file from a stranger.

Decoders are C code that no thread can stop: a file that keeps one busy for ever would keep its
thread for ever. A process is killed when it takes too long, and dies alone when it takes too much
memory.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import LifoQueue
from typing import IO, Any, TypeVar

from piafusion.errors import ImageError, TooSlowError

Result = TypeVar("Result")
_Running = tuple["subprocess.Popen[bytes]", IO[bytes], IO[bytes]]

_SECONDS = 5.0  # seconds that any file may take
_PER_MEGABYTE = 1.0  # seconds more for each MiB
_START = 60.0  # seconds until a process has to be ready
_ORPHAN = 1.0  # seconds after its time until a process ends itself, if nobody is left to kill it
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")


def decoding_seconds(size: int) -> float:
    """Return the seconds for decoding a file of `size` bytes."""
    return _SECONDS + _PER_MEGABYTE * size / 2**20


def limit_memory(size: int) -> None:
    """Limit the address space of this process to `size` bytes, if the system can."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (size, size))


class KillableProcess:
    """A process that calls one function at a time, and is replaced when it was killed.

    For one thread at a time.

    >>> with KillableProcess() as process:
    ...     process.call(divmod, 7, 2, name="the numbers", seconds=60)
    (3, 1)
    """

    def __init__(self, prepare: Callable[[], object] = bool) -> None:
        """Start nothing yet; `prepare` is called in each process before its first function."""
        self._prepare = prepare
        self._running: _Running | None = None
        self._ready = False

    def start(self) -> _Running:
        """Start the process unless it runs, and return it; do not wait until it is ready."""
        if self._running is None:
            # Started by hand: `multiprocessing` would import the caller's main module again.
            main = (
                "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); "
                f"sys.path = {sys.path!r}; from piafusion.run.processes import serve; serve()"
            )
            process = subprocess.Popen(
                [sys.executable, "-c", main],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **dict.fromkeys(_ONE_THREAD, "1")},
            )
            if process.stdin is None or process.stdout is None:
                raise OSError("expected pipes to a process, found none")
            self._running = (process, process.stdin, process.stdout)
        return self._running

    def call(
        self,
        function: Callable[..., Result],
        *arguments: Any,  # noqa: ANN401 - the function's
        name: str,
        seconds: float,
    ) -> Result:
        """Call a function in the process and return its result.

        Args:
            function: A function that can be pickled.
            arguments: Its arguments; they and the result can be pickled.
            name: The file, as errors name it.
            seconds: The process is killed after this time.

        Raises:
            TooSlowError: If there was no result in time.
            ImageError: If the process died or had too little memory.
            Exception: Any error of the function.
        """
        if not self._ready:
            self._exchange(self._prepare, (), "the process for decoding", _START)
            self._ready = True
        done, result = self._exchange(function, arguments, name, seconds)
        if done:
            return result  # type: ignore[no-any-return]
        if isinstance(result, MemoryError):
            raise ImageError(
                f"{name}: expected a picture that fits into the memory of a decoder, found one "
                "that does not; send a smaller one"
            )
        raise result

    def _exchange(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], name: str, seconds: float
    ) -> tuple[bool, Any]:
        """Send a call and wait for the answer; kill the process if none comes."""
        process, requests, answers = self._running or self.start()
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        whole = False
        try:
            # The fifth protocol writes the memory of an array or a file as it lies.
            pickle.dump((seconds, function, arguments), requests, protocol=5)
            requests.flush()
            answer: tuple[bool, Any] = pickle.load(answers)  # noqa: S301 - our own process
            whole = True
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            if late.is_set():
                raise TooSlowError(
                    f"{name}: expected a file that is decoded within {seconds:.3g} seconds, found "
                    "one that takes longer; save the picture again"
                ) from error
            raise ImageError(
                f"{name}: expected a file that can be decoded, found one that ends the decoder; "
                "save the picture again"
            ) from error
        finally:
            timer.cancel()
            timer.join()
            if not whole or late.is_set():
                self.close()
                if isinstance(sys.exc_info()[1], Exception):
                    self.start()  # now, so that the next caller does not wait for it
        return answer

    def close(self) -> None:
        """Kill the process."""
        if self._running is None:
            return
        (process, *pipes), self._running, self._ready = self._running, None, False
        process.kill()
        process.wait()
        for pipe in pipes:
            with suppress(OSError):  # what was not sent goes nowhere
                pipe.close()

    def __enter__(self) -> KillableProcess:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def serve() -> None:
    """Call the functions that the standard input names: the main function of the process."""
    for stop in (signal.SIGINT, signal.SIGTERM):  # they are for the process that started this one
        signal.signal(stop, signal.SIG_IGN)
    with suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # lines that a library prints must not mix with the answers
    with Path(os.devnull).open("w") as nowhere:
        while True:
            try:
                seconds, function, arguments = pickle.load(requests)  # noqa: S301 - our parent's
            except EOFError:
                return
            faulthandler.dump_traceback_later(seconds + _ORPHAN, file=nowhere, exit=True)
            try:
                answer = True, function(*arguments)
            except Exception as error:  # the other process raises it
                answer = False, _portable(error)
            del arguments
            pickle.dump(answer, answers, protocol=5)
            answers.flush()
            del answer
            faulthandler.cancel_dump_traceback_later()


class KillableProcesses:
    """Some processes that threads borrow, one call at a time; safe for threads."""

    def __init__(self, count: int, prepare: Callable[[], object] = bool) -> None:
        """Start nothing yet; see `KillableProcess`."""
        self._all = [KillableProcess(prepare) for _ in range(count)]
        self._idle: LifoQueue[KillableProcess] = LifoQueue()
        for process in self._all:
            self._idle.put(process)

    def start(self) -> None:
        """Start all processes, so that no caller waits for them."""
        for process in self._all:
            process.start()

    def call(
        self,
        function: Callable[..., Result],
        *arguments: Any,  # noqa: ANN401 - the function's
        name: str,
        seconds: float,
    ) -> Result:
        """Call a function in the next free process; see `KillableProcess.call`."""
        process = self._idle.get()
        try:
            return process.call(function, *arguments, name=name, seconds=seconds)
        finally:
            self._idle.put(process)

    def close(self) -> None:
        """Kill all processes; to be called when no thread uses them any more."""
        for process in self._all:
            process.close()


def _portable(error: Exception) -> Exception:
    """Return an error that pickle can bring to the other process."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - just made
    except Exception:  # pickle raises whatever the error's class does
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
