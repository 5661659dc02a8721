"""What a process that may hold a key does first: no core file, no reading of its memory, files for the owner only."""

import ctypes
import os
import sys

PR_SET_DUMPABLE = 4


def harden() -> None:
    """Close this process to others of the same user, as far as the system can (CONFIDENTIALITY, Memory)."""
    os.umask(0o077)
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
