"""What the rendering process gives up before it reads a template, so that an escape from a template leads nowhere.

It can open no file, start no process, gain no privileges, and has so much time and memory and no more; started by
root, it goes on as nobody.
"""

import ctypes
import os
import resource

CPU_SECONDS = 5
MEMORY = 512 * 2**20
"""Bytes of address space."""
NOBODY = 65534
"""User and group that own nothing: the kernel's overflow ids."""
PR_SET_NO_NEW_PRIVS = 38
"""From include/uapi/linux/prctl.h, see prctl(2)."""


def confine() -> None:
    """Give it all up, for good. Pipes that are open stay so; raises `OSError` where something cannot be given up."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    _limit(resource.RLIMIT_CPU, CPU_SECONDS, CPU_SECONDS + 1)  # SIGXCPU at the first, SIGKILL at the second
    _limit(resource.RLIMIT_AS, MEMORY, MEMORY)
    for what in (resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_CORE):
        _limit(what, 0, 0)


def _limit(what: int, soft: int, hard: int) -> None:
    allowed = resource.getrlimit(what)[1]
    most = hard if allowed == resource.RLIM_INFINITY else min(hard, allowed)
    resource.setrlimit(what, (min(soft, most), most))
