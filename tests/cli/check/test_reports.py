"""What validate and lint write of a result."""

from __future__ import annotations

import subprocess
import sys

TITLE = """
import sys
from kfrun.cli.check import reports

assert "kfrun.validate.schema.violations" not in sys.modules
print(reports.titles({"KF201", "KF101"})["KF201"])
"""


def test_codes_that_another_process_found_have_titles() -> None:
    done = subprocess.run([sys.executable, "-c", TITLE], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "unknown field\n"
