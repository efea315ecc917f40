"""Processes: how much memory one has in use and may take, how one died, and dying with one's parent.

Only the standard library is needed, so that a process that watches another stays small.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

GIGABYTE = 10**9


def in_use(process: int) -> int | None:
    """Return the bytes that a process alone has in memory, None where that cannot be told.

    Args:
        process: its number.

    >>> in_use(os.getpid()) > 1_000_000
    True
    """
    try:
        if sys.platform == "linux":
            # Less what it shares: the code of libraries, of which CUDA has gigabytes.
            _, resident, shared, *_ = Path(f"/proc/{process}/statm").read_bytes().split()
            return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
        if sys.platform == "win32":
            return _in_use_on_windows(process)
        command = ["/bin/ps", "-o", "rss=", "-p", str(process)]
        return 1024 * int(subprocess.check_output(command, stderr=subprocess.DEVNULL))  # noqa: S603
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def free() -> int | None:
    """Return the bytes that can still be had, in this container, None where nobody tells.

    >>> free() > 1_000_000
    True
    """
    found = []
    with suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        available = next(line for line in lines if line.startswith("MemAvailable:"))
        found.append(1024 * int(available.split()[1]))
    if not found:
        with suppress(AttributeError, OSError, ValueError):  # Windows has no such
            found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with suppress(OSError, ValueError, IndexError):
        group = _group()
        most = int((group / "memory.max").read_text(encoding="ascii"))  # "max" where there is none
        taken = int((group / "memory.current").read_text(encoding="ascii"))
        kept = (group / "memory.stat").read_text(encoding="ascii").split("inactive_file ")[1]
        found.append(most - taken + int(kept.split()[0]))
    return max(0, min(found)) if found else None


def total() -> int:
    """Return the bytes of memory that this machine, or this container, has.

    >>> total() > 1_000_000
    True
    """
    found = 8 * GIGABYTE  # where nobody tells, as on Windows
    with suppress(AttributeError, OSError, ValueError):
        found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError, IndexError):
        found = min(found, int((_group() / "memory.max").read_text(encoding="ascii")))
    return found


def _group() -> Path:
    own = Path("/proc/self/cgroup").read_text(encoding="utf-8").split("0::/")[1].split("\n")[0]
    return Path("/sys/fs/cgroup") / own


def allowance(*, gpu: bool = False) -> int:
    """Return the bytes that a run of a stranger's file may take: 4 GB, or half of what is free.

    Args:
        gpu: whether there is one: then half of what is free, however much that is.

    >>> 0 <= allowance() <= 4 * GIGABYTE
    True
    """
    left = free()
    half = (8 * GIGABYTE if left is None else left) // 2
    return half if gpu else min(4 * GIGABYTE, half)


def in_words(size: int) -> str:
    """Return a size as people read it.

    >>> in_words(5 * GIGABYTE), in_words(70_000_000)
    ('5.0 GB', '70 MB')
    """
    if size < GIGABYTE:
        return f"{max(1, size // 10**6)} MB"
    return f"{size / GIGABYTE:,.1f} GB" if size < 10**15 else "over a million GB"


def crash(code: int) -> str:
    """Return the name of the crash that an exit code tells of, or nothing.

    >>> crash(-11), crash(-9), crash(1)
    ('SIGSEGV', '', '')
    """
    if code >= 1 << 31:  # as Windows numbers them
        return hex(code)
    crashes = ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGFPE", "SIGILL")
    numbers = {getattr(signal, name): name for name in crashes if hasattr(signal, name)}
    return numbers.get(-code, "")


def die_with(parent: int) -> None:
    """Let this process end where its parent does, however that ends; Windows has no such thing.

    Args:
        parent: its number.
    """
    if sys.platform == "linux":
        import ctypes

        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    elif sys.platform != "win32":

        def look() -> None:
            while os.getppid() == parent:
                time.sleep(1)
            os._exit(1)

        threading.Thread(target=look, daemon=True).start()


def _in_use_on_windows(process: int) -> int | None:  # pragma: no cover
    import ctypes
    from ctypes import wintypes

    class Counters(ctypes.Structure):
        _fields_ = [
            ("size", wintypes.DWORD),
            ("faults", wintypes.DWORD),
            *((f"number{place}", ctypes.c_size_t) for place in range(8)),
            ("private", ctypes.c_size_t),
        ]

    windows = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined]
    windows.OpenProcess.restype = wintypes.HANDLE
    windows.CloseHandle.argtypes = [wintypes.HANDLE]
    windows.K32GetProcessMemoryInfo.argtypes = [wintypes.HANDLE, ctypes.c_void_p, wintypes.DWORD]
    handle = windows.OpenProcess(0x1000 | 0x0010, False, process)
    if not handle:
        return None
    counters = Counters()
    counters.size = ctypes.sizeof(counters)
    told = windows.K32GetProcessMemoryInfo(handle, ctypes.byref(counters), counters.size)
    windows.CloseHandle(handle)
    return int(counters.private) if told else None
