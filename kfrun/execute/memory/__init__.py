"""memory: a place where jobs run in memory only: no processes, no files, and a clock of its own.

For tests of whatever asks a `kfrun.execute.backend.Backend`, and to try manifests out. The controllers' rules are the
real ones; what would run in a container is a `Script`, which a caller may write. Everything is gone with the process.
"""

from kfrun.execute.memory.backend import MemoryBackend, shared
from kfrun.execute.memory.job import Act, Call, Script

__all__ = ["Act", "Call", "MemoryBackend", "Script", "shared"]
