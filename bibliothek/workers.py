"""Several processes that serve from one socket: who starts them, starts them again, and ends them.

They are forked from a process that has made the app already and then only waits: what is the same in all of them is in memory
once, and a worker is there at once. uvicorn's own supervisor starts each from nothing (docs/decisions/0014-workers.md).
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn

# A worker that dies at once is started again after so many seconds, twice as many each time; one that lived for a while, at once.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
LIVED_S = 60.0
# A worker lets those who are being served finish for 10 seconds, and its background threads as long again.
PATIENCE_S = 25.0
ENDING = {signal.SIGTERM, signal.SIGINT}
WATCHED = ENDING | {signal.SIGCHLD}

log = logging.getLogger(__name__)

Serve = Callable[[int], None]


class Workers:
    """`serve(number)` in each of `count` processes, numbered from 1.

    No thread may run and no connection to a database be open here: a forked process must have neither.
    """

    def __init__(self, serve: Serve, count: int) -> None:
        self._serve, self._numbers = serve, range(1, count + 1)
        # By process id: its number, and when it was started. By number: when it is due, and the pause before that.
        self._running: dict[int, tuple[int, float]] = {}
        self._due = dict.fromkeys(self._numbers, 0.0)
        self._pauses = dict.fromkeys(self._numbers, 0.0)
        # Nobody ever writes to it: it breaks when this process ends, however that comes about.
        self._lifeline, self._our_end = os.pipe()

    def run(self) -> None:
        """Keep them running until SIGTERM or Ctrl+C, then end them all. Signals are waited for, so that none comes between."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
        try:
            while True:
                self._start_due()
                got = signal.sigtimedwait(WATCHED, self._seconds_until_due())
                self._gather()
                if got and got.si_signo in ENDING:
                    break
            self._end()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _start_due(self) -> None:
        now = time.monotonic()
        for number in [number for number, at in self._due.items() if at <= now]:
            del self._due[number]
            try:
                pid = os.fork()
            except OSError as error:
                # No memory, or too many processes: those that run serve on.
                log.error("worker %d cannot start (%s), next try in %.1f s", number, error, self._put_off(number, 0.0))
                continue
            if not pid:
                self._be_worker(number)
            self._running[pid] = number, now

    def _seconds_until_due(self) -> float:
        return max(0.0, min(self._due.values(), default=time.monotonic() + 3600) - time.monotonic())

    def _gather(self) -> None:
        """Take leave of those that ended, and say when they are started again.

        As the first process of a container we are also given what a worker that was killed leaves behind: a backup, say.
        """
        while self._running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            if pid in self._running:
                number, began = self._running.pop(pid)
                self._ended(number, began, os.waitstatus_to_exitcode(status))

    def _ended(self, number: int, began: float, code: int) -> None:
        pause = self._put_off(number, time.monotonic() - began)
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"code {code}"
        log.error("worker %d ended (%s), another one starts in %.1f s", number, how, pause)

    def _put_off(self, number: int, lived_s: float) -> float:
        """In how many seconds a worker is due that takes the place of one that lived so long."""
        pause = 0.0 if lived_s >= LIVED_S else min(2 * self._pauses[number] or FIRST_PAUSE_S, LONGEST_PAUSE_S)
        self._pauses[number], self._due[number] = pause, time.monotonic() + pause
        return pause

    def _end(self) -> None:
        self._tell(signal.SIGTERM)
        give_up_at = time.monotonic() + PATIENCE_S
        while self._running:
            left = give_up_at - time.monotonic()
            if left <= 0:
                self._tell(signal.SIGKILL)
            signal.sigtimedwait({signal.SIGCHLD}, max(0.1, left))
            self._bury()

    def _bury(self) -> None:
        while self._running:
            pid, _status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            self._running.pop(pid, None)

    def _tell(self, what: signal.Signals) -> None:
        for pid in self._running:
            os.kill(pid, what)

    # ---- In a worker ----

    def _be_worker(self, number: int) -> NoReturn:
        code = 1
        try:
            os.close(self._our_end)
            threading.Thread(target=self._end_with_parent, name="lifeline", daemon=True).start()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
            self._serve(number)
            code = 0
        except KeyboardInterrupt:
            code = 0
        except BaseException:  # this process must not go on as if it were its parent
            log.critical("worker %d broke", number, exc_info=True)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _end_with_parent(self) -> None:
        """Without it nobody would end us: a port that is served for ever by what nobody started."""
        os.read(self._lifeline, 1)
        os.kill(os.getpid(), signal.SIGTERM)
