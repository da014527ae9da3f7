"""What is shown while packages are installed: by ``run``, with a terminal and without, ``get`` and ``logs -f``."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pty
import re
import select
import subprocess
import sys
import threading
import time
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.conftest import Kfrun, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STALL_SECONDS = 11.0
METADATA = b"Metadata-Version: 2.1\nName: bigpkg\nVersion: 1.0\n"
JOB = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata:
  name: job
  annotations:
    kfrun.dev/packages: bigpkg
    kfrun.dev/pip-index-urls: {index}
spec:
  runtimeRef: {{name: plain-python}}
  trainer: {{command: [python, -c, "import bigpkg; print('spoke')"]}}
"""


def wheel(folder: Path) -> Path:
    """A package of 2 MiB that cannot be made smaller."""
    files = {
        "bigpkg.py": b"",
        "bigpkg.bin": os.urandom(2 << 20),
        "bigpkg-1.0.dist-info/METADATA": METADATA,
        "bigpkg-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = []
    path = folder / "bigpkg-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            lines.append(f"{name},sha256={digest},{len(content)}\n")
        archive.writestr("bigpkg-1.0.dist-info/RECORD", "".join(lines) + "bigpkg-1.0.dist-info/RECORD,,\n")
    return path


@contextmanager
def slow_index(file: Path, go_on: threading.Event) -> Iterator[str]:
    """An index whose file stops half-way until ``go_on`` is set, or the time is up."""
    body = file.read_bytes()

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_file = self.path.endswith(".whl")
            page = f'<a href="/files/{file.name}" data-core-metadata="true">{file.name}</a>'.encode()
            content = body if is_file else METADATA if self.path.endswith(".metadata") else page
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream" if is_file else "text/html")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            if is_file:
                go_on.wait(STALL_SECONDS)
            self.wfile.write(content[len(content) // 2 :])

        def log_message(self, *_: object) -> None:
            """Standard error is the test's."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/simple"
    finally:
        go_on.set()
        server.shutdown()
        thread.join()
        server.server_close()


def clean(kfrun: Kfrun, tmp_path: Path) -> None:
    """No settings, and no cache, that another installation has left."""
    kfrun.env = {name: value for name, value in kfrun.env.items() if not name.startswith(("UV_", "PIP_"))}
    kfrun.env["UV_CACHE_DIR"] = str(tmp_path / f"uv-{kfrun.home.name}")


def read(descriptor: int, deadline: float) -> list[tuple[float, bytes]]:
    """What comes, and when, until the other end is closed."""
    found = [(time.monotonic(), b"")]
    while time.monotonic() < deadline:
        if not select.select([descriptor], [], [], 0.2)[0]:
            continue
        try:
            chunk = os.read(descriptor, 1 << 16)
        except OSError:
            break
        if not chunk:
            break
        found.append((time.monotonic(), chunk))
    return found


def longest_silence(chunks: list[tuple[float, bytes]]) -> float:
    return max(after[0] - before[0] for before, after in pairwise(chunks))


def test_a_slow_installation_shows_something_each_second_on_a_terminal_and_in_ten_without_one(
    kfrun: Kfrun, tmp_path: Path
) -> None:
    other = Kfrun(tmp_path / "home-2", tmp_path)
    for one in (kfrun, other):
        clean(one, tmp_path)
    with slow_index(wheel(tmp_path), threading.Event()) as index:
        path = kfrun.write("job.yaml", JOB.format(index=index))
        controller, terminal = pty.openpty()
        command = [sys.executable, "-m", "kfrun", "run", "-q", "-f", str(path)]
        env = {**other.env, "TERM": "xterm", "COLUMNS": "100"}
        shown = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, cwd=tmp_path, env=env)
        os.close(terminal)
        plain = kfrun.start("run", "-q", "-f", path)
        results: dict[str, list[tuple[float, bytes]]] = {}
        assert plain.stderr is not None
        deadline = time.monotonic() + 90
        threads = [
            threading.Thread(target=lambda name, fd: results.update({name: read(fd, deadline)}), args=pair)
            for pair in (("terminal", controller), ("plain", plain.stderr.fileno()))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert shown.wait(30) == 0, b"".join(chunk for _, chunk in results["terminal"])
        assert plain.wait(30) == 0, b"".join(chunk for _, chunk in results["plain"])
        plain.communicate()
        os.close(controller)
    terminal_text = b"".join(chunk for _, chunk in results["terminal"]).decode()
    plain_text = b"".join(chunk for _, chunk in results["plain"]).decode()
    begun = [item for item in results["terminal"] if item[1]]
    assert longest_silence(begun) < 2.0, "1 s, and what a busy machine adds"
    drawn = set(re.findall(r"\r\x1b\[K([^\r\n]*job: environment [^\r\n]*)", terminal_text))
    assert len(drawn) > STALL_SECONDS
    assert any(re.search(r"environment 1\d\.\d s: downloading bigpkg: 0 of 1 packages, ", line) for line in drawn), (
        drawn
    )
    after = terminal_text.rpartition("\r\x1b[K")[2]
    assert after.startswith("job: Python packages are installed\r\n"), "one line is left of it"
    assert "spoke" in after
    assert "job: Complete: trained " in after
    assert "(environment 1" in after
    assert "\x1b" not in plain_text
    assert longest_silence([item for item in results["plain"] if item[1]]) < 10.0
    going_on = r"^job: Installing Python packages: downloading bigpkg: 0 of 1 packages.* s\)$"
    assert re.search(going_on, plain_text, re.MULTILINE)
    for one in (kfrun, other):
        one.ok("delete", "--now", "tj/job")


def test_get_and_logs_tell_of_an_installation_that_is_going_on(kfrun: Kfrun, tmp_path: Path) -> None:
    clean(kfrun, tmp_path)
    go_on = threading.Event()
    with slow_index(wheel(tmp_path), go_on) as index:
        path = kfrun.write("job.yaml", JOB.format(index=index))
        kfrun.ok("apply", "-q", "-f", path)
        eventually(lambda: "downloading bigpkg: 0 of 1 packages" in kfrun.ok("get", "tj", "-o", "wide"))
        assert kfrun.ok("get", "tj", "--no-headers").split()[1] == "Installing"
        condition = json.loads(kfrun.ok("get", "tj", "job", "-o", "json"))["status"]["conditions"][-1]
        assert (condition["type"], condition["status"], condition["reason"]) == (
            "Installing", "True", "EnvironmentBuilding",
        )  # fmt: skip
        assert "downloading bigpkg" in kfrun.ok("describe", "trainjob", "job")
        following = kfrun.start("logs", "-f", "job")
        assert following.stderr is not None
        assert following.stderr.readline().startswith(b"job: ")
        go_on.set()
        out, err = following.communicate(timeout=60)
        assert out == b"spoke\n"
        assert b"bigpkg==1.0" in err
        assert following.returncode == 0
    status = json.loads(kfrun.ok("get", "tj", "job", "-o", "json"))["status"]
    assert [item["type"] for item in status["conditions"]] == ["Complete"]
    assert kfrun("logs", "-f", "job").stderr == "", "what is over is not told again"
    assert kfrun("wait", "job").returncode == 0
    kfrun.ok("delete", "--now", "tj/job")


def test_an_installation_that_fails_leaves_what_the_installer_said_last(kfrun: Kfrun, tmp_path: Path) -> None:
    clean(kfrun, tmp_path)
    with slow_index(wheel(tmp_path), threading.Event()) as index:
        path = kfrun.write("job.yaml", JOB.format(index=index).replace("packages: bigpkg", "packages: bigpkg==7"))
        controller, terminal = pty.openpty()
        command = [sys.executable, "-m", "kfrun", "run", "-q", "-f", str(path)]
        env = {**kfrun.env, "TERM": "xterm"}
        shown = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, cwd=tmp_path, env=env)
        os.close(terminal)
        text = b"".join(chunk for _, chunk in read(controller, time.monotonic() + 60)).decode()
        os.close(controller)
        assert shown.wait(30) == 3
    assert "bigpkg==7" in text
    assert text.count("No solution found") == 1 or text.count("no version of bigpkg==7") >= 1
    assert "job: Failed after" in text
