"""Becomes the program it is given, after arranging that it dies with whoever started it.

Run as a script: `launch.py PARENT DEATH_SIGNAL USER COMMAND...`. A killed parent cannot clean up, so the kernel does. This is a
program of its own, not a `preexec_fn`, because Python code between fork and exec can deadlock when the parent has threads.
"""

import ctypes
import os
import pwd
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522

libc = ctypes.CDLL(None, use_errno=True)


def demand(name: str, *arguments: object) -> None:
    if getattr(libc, name)(*arguments) != 0:
        sys.exit(f"{name}: {os.strerror(ctypes.get_errno())}")


def become(user: str) -> None:
    """Drop root for `user`, who keeps the right to walk through other people's directories.

    Postgres refuses root, but its program and its data may lie below a home directory that nobody else can enter. The one
    capability spares us moving either of them, or opening the directories to everybody.
    """
    entry = pwd.getpwnam(user)
    demand("prctl", PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    bit = 1 << CAP_DAC_OVERRIDE
    data = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)  # effective, permitted, inheritable; then their upper halves
    demand("capset", header, data)
    demand("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def main(parent: str, death_signal: str, user: str, *command: str) -> None:
    if user:
        become(user)
    demand("prctl", PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)  # after the change of user, which clears it
    if os.getppid() != int(parent):
        sys.exit("Whoever started this is already gone.")
    os.execv(command[0], command)  # noqa: S606  (no shell is the point)


if __name__ == "__main__":
    main(*sys.argv[1:])
