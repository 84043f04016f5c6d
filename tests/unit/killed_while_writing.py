"""Writes files below a folder in processes that are killed, and prints what each has left.

`killed_while_writing.py FOLDER ACT`: `chance` kills by chance, any other act before each call that it makes into C.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from agent.disk import Disk
from agent.files import Attributes

root, act = Path(sys.argv[1]), sys.argv[2]
disk = Disk(root)
OLD, NEW = b"old" * 1000, b"new" * 999
AS_ROOT = os.geteuid() == 0
WANTED = Attributes(mode=0o600, uid=1 if AS_ROOT else None, gid=1 if AS_ROOT else None)


def draft(data):
    one = disk.draft("/etc/app", WANTED)
    try:
        one.write(data[:1000])
        one.write(data[1000:])
        one.commit()
    finally:
        one.close()


ACTS = {
    "replace": lambda: disk.replace("/etc/app", NEW, WANTED),
    "draft": lambda: draft(NEW),
    "symlink": lambda: disk.symlink("/etc/app", "elsewhere"),
    "set_attributes": lambda: disk.set_attributes("/etc/app", WANTED),
}


def reset():
    """A later write, long after."""
    for path in (root / "etc").iterdir():
        os.utime(path, (0, 0), follow_symlinks=False)
    disk.remove("/etc/app")
    disk.replace("/etc/app", OLD, Attributes(mode=0o660))


def state():
    path = root / "etc/app"
    found = path.lstat()
    content = "link" if path.is_symlink() else path.read_bytes()[:3].decode() + str(found.st_size)
    return [content, oct(found.st_mode & 0o7777), found.st_uid, found.st_gid]


def child(work):
    number = os.fork()
    if number == 0:
        try:
            work()
        finally:
            os._exit(0)
    return number


def die_at(call):
    left = call

    def count(_frame, event, _argument):
        nonlocal left
        if event == "c_call":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def work():
        sys.setprofile(count)
        ACTS[act]()
        sys.setprofile(None)

    return work


def forever():
    for turn in range(10**9):
        disk.replace("/etc/app", (OLD, NEW)[turn % 2] * 500, Attributes(mode=(0o660, 0o600)[turn % 2]))


def end(number):
    return os.WIFSIGNALED(os.waitpid(number, 0)[1])


def drafts():
    return sum(path.name.startswith(".osapi-") for path in (root / "etc").iterdir())


def at_each_call():
    call, killed = 0, True
    while killed:
        call += 1
        reset()
        killed = end(child(die_at(call)))
        yield [state(), drafts()]


def by_chance():
    chance = random.Random(1)
    disk.replace("/etc/app", OLD * 500, Attributes(mode=0o660))
    for _ in range(80):
        number = child(forever)
        time.sleep(chance.uniform(0, 0.03))
        os.kill(number, signal.SIGKILL)
        end(number)
        yield [state(), drafts()]


(root / "etc").mkdir()
os.umask(0o022)
seen = list(by_chance() if act == "chance" else at_each_call())
reset()
sys.stdout.write(json.dumps({"seen": seen, "left": drafts()}))
