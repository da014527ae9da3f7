"""Packages, an index and processes for the tests of environments, all of them real and on this machine."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from kfrun.execute import environments
from kfrun.execute.environments import EnvironmentRequest

ROOT = Path(__file__).parents[3]

SLOW_BACKEND = """
import os, pathlib, time, zipfile
FOLDER = pathlib.Path(os.environ["KFRUN_TEST_FOLDER"])
def build_wheel(target, config_settings=None, metadata_directory=None):
    with open(FOLDER / "started", "a") as file:
        file.write(f"{os.getpid()}\\n")
    while not (FOLDER / "go").exists():
        time.sleep(0.01)
    name = "slowpkg-1.0-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(target, name), "w") as wheel:
        wheel.writestr("slowpkg.py", "VALUE = 'built'\\n")
        wheel.writestr("slowpkg-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: slowpkg\\nVersion: 1.0\\n")
        wheel.writestr("slowpkg-1.0.dist-info/WHEEL",
                       "Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("slowpkg-1.0.dist-info/RECORD", "")
    return name
"""

TELLTALE_BACKEND = """
import os
def build_wheel(target, config_settings=None, metadata_directory=None):
    raise SystemExit("\\n".join(f"{name}={value}" for name, value in os.environ.items()))
"""


def make_wheel(folder: Path, name: str = "tinypkg", version: str = "1.0", *, requires: tuple[str, ...] = ()) -> Path:
    """A pure wheel with one module and a console script ``<name>-hello``."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n\ndef hello():\n    print('hello from', VERSION)\n",
        f"{info}/METADATA": metadata + "".join(f"Requires-Dist: {item}\n" for item in requires),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name}-hello = {name}:hello\n",
    }
    record = "".join(f"{path},{_digest(text)},{len(text)}\n" for path, text in files.items())
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return wheel


def make_slow_sdist(folder: Path) -> None:
    """A source distribution whose build says that it started and waits for the file ``go``."""
    _make_sdist(folder, "slowpkg", SLOW_BACKEND)


def make_telltale_sdist(folder: Path) -> None:
    """A source distribution whose build fails and prints every variable that it was given."""
    _make_sdist(folder, "telltale", TELLTALE_BACKEND)


def _make_sdist(folder: Path, name: str, backend: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": backend,
    }
    with tarfile.open(folder / f"{name}-1.0.tar.gz", "w:gz") as archive:
        for file, text in files.items():
            item = tarfile.TarInfo(f"{name}-1.0/{file}")
            item.size = len(text.encode())
            archive.addfile(item, io.BytesIO(text.encode()))


def _digest(text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
    return f"sha256={digest.decode()}"


def request(*requirements: str, **changes) -> EnvironmentRequest:
    """A request for the interpreter that runs the tests."""
    values = {
        "requirements": requirements,
        "index_urls": (),
        "python": None,
        "interpreter": environments.default_interpreter(),
        "interpreter_facts": environments.host_facts(sys.executable),
        "settings": "",
        "isolated_for": None,
    }
    return EnvironmentRequest(**{**values, **changes})


def clean_environ(**variables: str) -> dict[str, str]:
    """The variables of this process without any that installers read, and with ``variables``."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PIP_", "UV_", "PYTHON")) and not name.upper().endswith("PROXY")
    }
    return {**kept, **variables}


def output_of(path: Path, *command: str) -> str:
    """What a program of an environment prints."""
    program, *arguments = command
    done = subprocess.run(
        [path / "bin" / program, *arguments], capture_output=True, text=True, env=clean_environ(), timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def until(condition, what: str, seconds: float = 30.0):
    """Poll until ``condition`` is true and return its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {seconds} s for: {what}"
        time.sleep(0.01)


def start_builder(wanted: EnvironmentRequest, cache: Path, log: Path, environ: dict[str, str]) -> subprocess.Popen:
    """The builder as the supervisor starts it: a process of its own, leading its group."""
    import json

    file = log.with_suffix(".json")
    file.write_text(json.dumps(wanted.to_json()))
    with log.open("wb") as stream:
        return subprocess.Popen(
            [sys.executable, "-m", "kfrun.execute.environments", file, cache],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**environ, "PYTHONPATH": str(ROOT)},
            process_group=0,
        )


@contextmanager
def index_server(folder: Path, *, user: str, password: str):
    """A package index over ``folder`` that asks for a password; yields its host:port and the requests it refused."""
    expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    served: list[tuple[str, bool]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_known = self.headers.get("Authorization") == expected
            served.append((self.path, is_known))
            if not is_known:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="index"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            name = self.path.strip("/").rpartition("/")[2]
            file = folder / name
            body = file.read_bytes() if file.is_file() else self._page(name)
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "application/octet-stream" if file.is_file() else "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def _page(self, project: str) -> bytes:
            names = [item.name for item in folder.iterdir() if item.name.startswith(f"{project}-")]
            return "".join(f'<a href="/files/{name}">{name}</a>' for name in names).encode()

        def log_message(self, *_: object) -> None:
            """Say nothing: standard error is the test's."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
