"""`python -m dev.leash COMMAND...`: runs another program, and ends it when this process's stdin closes.

Azurite's Node does not watch its stdin. The leash does, and kills the program as soon as the parent process is gone. On
Linux the system also kills the program when the leash itself is killed. Elsewhere the program would keep running then.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(command: list[str]) -> int:
    """Run the program and pass SIGTERM on. Returns its exit code, or 128 + N when signal N ended it."""
    # preexec_fn is unsafe when there are other threads: there are none yet, and this main thread lives to the end
    program = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        preexec_fn=_die_with(os.getpid()) if sys.platform == "linux" else None,  # noqa: PLW1509
    )
    signal.signal(signal.SIGTERM, lambda *_: program.terminate())
    threading.Thread(target=_kill_when_stdin_closes, args=(program,), daemon=True).start()
    code = program.wait()
    return code if code >= 0 else 128 - code


def _die_with(leash_pid: int) -> Callable[[], None]:
    """Runs in the child before exec: asks Linux to kill it when the leash ends."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask_for_the_signal() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != leash_pid:  # the leash ended before the request took effect
            os._exit(1)

    return ask_for_the_signal


def _kill_when_stdin_closes(program: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    program.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
