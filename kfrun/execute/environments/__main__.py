"""``python -m kfrun.execute.environments REQUEST.json CACHE``: the builder as a process of its own."""

from __future__ import annotations

import sys

from kfrun.execute.environments.builder import main

sys.exit(main(sys.argv[1:]))
