"""A program that becomes another one, which the kernel kills when the thread that started it ends.

Arguments: the process id of the parent, then the path and the arguments of the other program. It is run by
path, with nothing but the standard library. The kernel's promise is prctl(2), PR_SET_PDEATHSIG; it survives
execve(2), and setting it here instead of after a fork in a process of many threads cannot deadlock.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, *command = sys.argv[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != int(parent):
        sys.exit("the parent has gone meanwhile")
    os.execv(command[0], command)  # noqa: S606 - to become another program is what this is for


if __name__ == "__main__":
    main()
