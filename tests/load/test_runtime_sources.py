"""Runtimes that lie elsewhere, end to end: files, folders, a web server, and one that plays GitHub."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Kfrun

RUNTIME = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: ClusterTrainingRuntime
metadata: {name: NAME}
spec:
  mlPolicy: {numNodes: 1}
  template:
    spec:
      replicatedJobs:
      - name: node
        template:
          metadata: {labels: {trainer.kubeflow.org/trainjob-ancestor-step: trainer}}
          spec:
            template:
              spec:
                containers: [{name: node, image: example.com/a:latest, command: [echo, WORD]}]
"""
JOB = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: job}
spec: {runtimeRef: {name: company}}
"""


def runtime(word: str = "here", name: str = "company") -> str:
    return RUNTIME.replace("NAME", name).replace("WORD", word)


class Web:
    """A server of this machine: what it has by path, and what it was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, Any] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.secret = ""
        self.refusal = 404
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.asked.append((self.path, dict(self.headers)))
                found = web.files.get(self.path)
                if isinstance(found, str) and found.startswith("http"):
                    self.send_response(302)
                    self.send_header("Location", found)
                    self.end_headers()
                    return
                if web.secret and self.headers.get("Authorization") != web.secret:
                    found = None
                content = (
                    (found if isinstance(found, str) else json.dumps(found)).encode() if found is not None else b""
                )
                etag = f'"{hashlib.sha256(content).hexdigest()[:8]}"'
                is_same = found is not None and self.headers.get("If-None-Match") == etag
                self.send_response(web.refusal if found is None else 304 if is_same else 200)
                self.send_header("ETag", etag)
                self.send_header("Content-Length", "0" if is_same else str(len(content)))
                self.end_headers()
                self.wfile.write(b"" if is_same else content)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def web() -> Iterator[Web]:
    found = Web()
    yield found
    found.close()


@pytest.fixture
def job(kfrun: Kfrun) -> Path:
    for name in ("GITHUB_TOKEN", "GH_TOKEN", "GITHUB_API_URL", "NETRC"):
        kfrun.env.pop(name, None)
    return kfrun.write("job.yaml", JOB)


def ran(kfrun: Kfrun, *arguments: str, **env: str) -> str:
    return kfrun.ok("run", "-q", *arguments, "-f", "job.yaml", **env)


@pytest.mark.parametrize(
    "source", ["rt", "rt/a.yaml", "./rt", "FOLDER/rt", "file://FOLDER/rt/a.yaml", "file://FOLDER/rt"]
)
@pytest.mark.usefixtures("job")
def test_files_and_folders_are_sources(kfrun: Kfrun, source: str) -> None:
    (kfrun.folder / "rt").mkdir()
    kfrun.write("rt/a.yaml", runtime())
    source = source.replace("FOLDER", str(kfrun.folder))
    assert kfrun("validate", "job.yaml").returncode == 1
    done = kfrun("validate", "job.yaml", "--runtimes", source)
    assert (done.returncode, done.stdout) == (0, "job.yaml: trainjob.trainer.kubeflow.org/job is valid\n")
    for verb in ("plan", "render", "lint"):
        assert kfrun(verb, "-f", "job.yaml", "--runtimes", source).returncode == 0
    assert ran(kfrun, "--runtimes", source) == "here\n"
    assert kfrun.ok("get", "ctr", "-o", "name").count("company") == 0


@pytest.mark.usefixtures("job")
def test_the_settings_name_sources_beside_their_file(kfrun: Kfrun) -> None:
    (kfrun.folder / "deep").mkdir()
    kfrun.write("a.yaml", runtime())
    kfrun.write("kfrun.toml", '[runtimes]\nsources = ["a.yaml"]\n')
    kfrun.write("deep/job.yaml", JOB)
    kfrun.folder /= "deep"
    assert ran(kfrun) == "here\n"


@pytest.mark.usefixtures("job")
def test_the_first_source_counts_before_what_is_stored_and_behind_what_is_given(kfrun: Kfrun) -> None:
    for name in ("given", "first", "second", "file", "stored"):
        kfrun.write(f"{name}.yaml", runtime(name))
    kfrun.ok("apply", "-q", "-f", "stored.yaml")
    assert ran(kfrun) == "stored\n"
    kfrun.write("kfrun.toml", '[runtimes]\nsources = ["file.yaml"]\n')
    assert ran(kfrun) == "file\n"
    assert ran(kfrun, "--runtimes", "first.yaml", "--runtimes", "second.yaml") == "first\n"
    assert ran(kfrun, "--runtimes", "first.yaml", "-f", "given.yaml") == "given\n"
    assert "company (from first.yaml)" in kfrun.ok("plan", "--runtimes", "first.yaml", "--replace", "-f", "job.yaml")


@pytest.mark.usefixtures("job")
def test_what_is_referred_to_is_not_judged(kfrun: Kfrun) -> None:
    kfrun.write("rt.yaml", runtime() + "---\n" + runtime(name="broken").replace("numNodes: 1", "numNodes: many"))
    done = kfrun("validate", "job.yaml", "--runtimes", "rt.yaml", "-o", "json")
    assert done.returncode == 0
    assert [one["object"]["kind"] for one in json.loads(done.stdout)["objects"]] == ["TrainJob"]
    found = json.loads(kfrun.ok("lint", "job.yaml", "--runtimes", "rt.yaml", "-o", "json"))["findings"]
    assert {one["file"] for one in found} <= {"job.yaml"}


@pytest.mark.usefixtures("job")
def test_what_an_earlier_release_wrote_is_read_with_one_warning(kfrun: Kfrun) -> None:
    old = runtime().replace("mlPolicy: {numNodes: 1}", "mlPolicy: {torch: {numProcPerNode: auto}}")
    kfrun.write("rt.yaml", old + "---\n" + old.replace("company", "other"))
    done = kfrun("validate", "job.yaml", "--runtimes", "rt.yaml")
    assert done.returncode == 0
    assert (
        done.stderr
        == "warning: rt.yaml has runtimes of an earlier release: they are read as kfrun convert writes them\n"
    )


@pytest.mark.usefixtures("job")
def test_a_url_is_asked_once_a_day_and_then_by_its_etag(kfrun: Kfrun, web: Web) -> None:
    web.files["/rt.yaml"] = runtime("one")
    source = ("--runtimes", f"{web.url}/rt.yaml")
    assert [ran(kfrun, *source), ran(kfrun, *source)] == ["one\n", "one\n"]
    assert len(web.asked) == 1
    assert ran(kfrun, *source, "--refresh") == "one\n"
    web.files["/rt.yaml"] = runtime("two")
    assert ran(kfrun, *source) == "one\n"
    assert ran(kfrun, *source, "--refresh") == "two\n"
    (kept,) = (kfrun.home / "cache" / "sources").iterdir()
    assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    data = json.loads(kept.read_text())
    kept.write_text(json.dumps({**data, "time": data["time"] - 90_000}))
    assert ran(kfrun, *source) == "two\n"
    assert web.asked[-1][1]["If-None-Match"] == data["etag"]
    assert json.loads(kept.read_text())["time"] > data["time"] - 90_000


@pytest.mark.usefixtures("job")
def test_where_nobody_answers_what_was_kept_is_used_and_that_is_said(kfrun: Kfrun, web: Web) -> None:
    web.files["/rt.yaml"] = runtime("one")
    source = ("--runtimes", f"{web.url}/rt.yaml")
    ran(kfrun, *source)
    web.close()
    done = kfrun("run", "-q", *source, "--refresh", "-f", "job.yaml")
    assert (done.returncode, done.stdout) == (0, "one\n")
    assert "could not be fetched" in done.stderr
    assert f"{web.url}/rt.yaml is used as it was 0 minutes ago" in done.stderr
    assert kfrun("validate", "job.yaml", "--runtimes", f"{web.url}/other.yaml").returncode == 3


@pytest.mark.usefixtures("job")
def test_a_pin_holds_a_source_to_what_it_held(kfrun: Kfrun, web: Web) -> None:
    web.files["/rt.yaml"] = text = runtime("one")
    pin = hashlib.sha256(text.encode()).hexdigest()
    assert ran(kfrun, "--runtimes", f"{web.url}/rt.yaml#sha256={pin}") == "one\n"
    web.files["/rt.yaml"] = changed = runtime("two")
    now = hashlib.sha256(changed.encode()).hexdigest()
    done = kfrun("validate", "job.yaml", "--refresh", "--runtimes", f"{web.url}/rt.yaml#sha256={pin}")
    assert done.returncode == 3
    assert f"its sha256 is {now}, and {pin} was asked for" in done.stderr
    assert ran(kfrun, "--runtimes", f"{web.url}/rt.yaml#sha256={now.upper()}") == "two\n"
    (kfrun.folder / "rt").mkdir()
    files = {"a.yaml": runtime(), "b.yaml": runtime(name="b")}
    for name, text in files.items():
        kfrun.write(f"rt/{name}", text)
    sums = "".join(f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n" for name, text in files.items())
    assert ran(kfrun, "--runtimes", f"rt#sha256={hashlib.sha256(sums.encode()).hexdigest()}") == "here\n"


@pytest.mark.usefixtures("job")
def test_what_is_kept_of_a_pinned_source_is_never_too_old(kfrun: Kfrun, web: Web) -> None:
    web.files["/rt.yaml"] = text = runtime("one")
    source = f"{web.url}/rt.yaml#sha256={hashlib.sha256(text.encode()).hexdigest()}"
    assert ran(kfrun, "--runtimes", source) == "one\n"
    (kept,) = (kfrun.home / "cache" / "sources").iterdir()
    data = json.loads(kept.read_text())
    kept.write_text(json.dumps({**data, "time": data["time"] - 900_000}))
    web.close()
    done = kfrun("run", "-q", "--runtimes", source, "-f", "job.yaml")
    assert (done.returncode, done.stdout, "warning" in done.stderr) == (0, "one\n", False)


@pytest.mark.parametrize(
    ("source", "path"),
    [("github://acme/rts/jobs/rt.yaml@v1", "jobs/rt.yaml?ref=v1"), ("github://acme/rts/jobs/rt.yaml", "jobs/rt.yaml")],
)
@pytest.mark.usefixtures("job")
def test_a_file_of_github_is_read_with_a_token(kfrun: Kfrun, web: Web, source: str, path: str) -> None:
    web.files[f"/repos/acme/rts/contents/{path}"] = runtime("github")
    web.secret = "Bearer s3cret"
    done = kfrun("validate", "job.yaml", "--runtimes", source, GITHUB_API_URL=web.url)
    assert (done.returncode, "GITHUB_TOKEN" in done.stderr or "KFRUN_TOKEN" in done.stderr) == (1, True)
    for name in ("GITHUB_TOKEN", "GH_TOKEN"):
        assert ran(kfrun, "--runtimes", source, "--refresh", GITHUB_API_URL=web.url, **{name: "s3cret"}) == "github\n"
    assert "s3cret" not in "".join(file.read_text() for file in (kfrun.home / "cache" / "sources").iterdir())


@pytest.mark.usefixtures("job")
def test_a_folder_of_github_is_read_file_by_file(kfrun: Kfrun, web: Web) -> None:
    contents = "/repos/acme/rts/contents"
    entries = [
        {"path": "deep/a.yaml", "type": "file"},
        {"path": "deep/README.md", "type": "file"},
        {"path": "deep/x", "type": "dir"},
    ]
    web.files |= {f"{contents}/deep?ref=main": entries, f"{contents}/deep/a.yaml?ref=main": runtime("folder")}
    assert ran(kfrun, "--runtimes", "github://acme/rts/deep@main", GITHUB_API_URL=web.url) == "folder\n"
    web.files[f"{contents}/"] = [{"path": "a.txt", "type": "file"}]
    done = kfrun("validate", "job.yaml", "--runtimes", "github://acme/rts", GITHUB_API_URL=web.url)
    assert (done.returncode, "no .json, .yaml or .yml file in it" in done.stderr) == (1, True)


@pytest.mark.usefixtures("job")
def test_a_token_goes_to_its_host_alone(kfrun: Kfrun, web: Web) -> None:
    other = Web()
    try:
        other.files["/rt.yaml"] = runtime("other")
        web.files["/rt.yaml"] = f"http://localhost:{other.server.server_port}/rt.yaml"
        netrc = kfrun.write("netrc", "machine 127.0.0.1 login me password pässword\n")
        assert ran(kfrun, "--runtimes", f"{web.url}/rt.yaml", NETRC=str(netrc)) == "other\n"
    finally:
        other.close()
    assert web.asked[0][1]["Authorization"].startswith("Basic ")
    assert "Authorization" not in other.asked[0][1]
    ran(kfrun, "--runtimes", f"{web.url}/rt.yaml?x", "--runtimes", "rt.yaml", **own(kfrun, web))
    assert web.asked[-1][1]["Authorization"] == "Bearer own"


def own(kfrun: Kfrun, web: Web) -> dict[str, str]:
    kfrun.write("rt.yaml", runtime())
    web.files["/rt.yaml?x"] = runtime(name="unused")
    return {"KFRUN_TOKEN_127_0_0_1": "own", "GITHUB_TOKEN": "not for this one"}


@pytest.mark.parametrize(
    ("source", "code", "message"),
    [
        ("nope", 1, "nope is not there"),
        ("empty", 1, "no .json, .yaml or .yml file"),
        ("bad.yaml", 3, "bad.yaml:2:1: a value is missing"),
        ("ftp://example.com/x", 2, "no source of runtimes"),
        ("file://host/x", 2, "another machine"),
        ("http://example.com/x.yaml", 2, "use https://"),
        ("github://acme", 2, "names no repository"),
        ("github://acme/../x", 2, "names no repository"),
        ("rt.yaml#sha256=12", 2, "64 hexadecimal digits"),
        ("https://user:password@example.com/x", 2, "user name or password"),
        ("https://example.com/x#v1", 2, "nothing but #sha256= may stand behind a URL"),
        ("-", 2, "are not read from stdin"),
    ],
)
@pytest.mark.usefixtures("job")
def test_what_is_no_source_is_told(kfrun: Kfrun, source: str, code: int, message: str) -> None:
    (kfrun.folder / "empty").mkdir()
    kfrun.write("bad.yaml", "a: [\n")
    kfrun.write("rt.yaml", runtime())
    done = kfrun("validate", "job.yaml", "--runtimes", source)
    assert (done.returncode, message in done.stderr) == (code, True), done.stderr


@pytest.mark.usefixtures("job")
def test_a_file_that_cannot_be_read_leaves_the_others_of_its_folder(kfrun: Kfrun) -> None:
    (kfrun.folder / "rt").mkdir()
    kfrun.write("rt/bad.yaml", "a: [\n")
    kfrun.write("rt/good.yaml", runtime())
    done = kfrun("validate", "job.yaml", "--runtimes", "rt", "--trainer-version", "2.2,2.3")
    assert done.returncode == 0
    assert done.stderr.count("warning: rt: bad.yaml:2:1: a value is missing") == 1


@pytest.mark.usefixtures("job")
def test_what_was_sound_with_another_runtime_is_looked_at_again(kfrun: Kfrun) -> None:
    kfrun.write("rt.yaml", runtime())
    for _ in range(2):
        assert kfrun("validate", "job.yaml", "--runtimes", "rt.yaml").returncode == 0
    kfrun.write("rt.yaml", runtime(name="other"))
    assert kfrun("validate", "job.yaml", "--runtimes", "rt.yaml").returncode == 1
    assert kfrun("validate", "job.yaml").returncode == 1


@pytest.mark.usefixtures("job")
def test_the_processes_of_an_earlier_release_are_those_of_the_job(kfrun: Kfrun) -> None:
    kfrun.write("rt.yaml", runtime().replace("mlPolicy: {numNodes: 1}", "mlPolicy: {torch: {numProcPerNode: 2}}"))
    shown = kfrun.ok("render", "job.yaml", "--runtimes", "rt.yaml")
    assert 'name: PET_NPROC_PER_NODE\n                value: "2"' in shown
    assert kfrun.ok("render", "job.yaml", "--runtimes", "rt.yaml", "--trainer-version", "v2.1") == shown
    kfrun.ok("apply", "job.yaml", "--runtimes", "rt.yaml", "--wait")
    assert "Nothing to do (1 unchanged)" in kfrun.ok("plan", "job.yaml", "--runtimes", "rt.yaml")
    assert "here" in kfrun.ok("rerun", "job")


def test_no_source_is_read_where_every_job_brings_its_runtime(kfrun: Kfrun, web: Web) -> None:
    kfrun.write("both.yaml", runtime() + "---\n" + JOB)
    for verb in ("validate", "lint", "plan", "render", "run"):
        kfrun.ok(verb, "-f", "both.yaml", "--runtimes", f"{web.url}/rt.yaml")
    assert web.asked == []


@pytest.mark.usefixtures("job")
def test_a_secret_goes_along_where_a_repository_was_renamed(kfrun: Kfrun, web: Web) -> None:
    web.secret, web.files = "Bearer own", {"/rt.yaml": runtime(), "/old.yaml": f"{web.url}/rt.yaml"}
    assert ran(kfrun, "--runtimes", f"{web.url}/old.yaml", KFRUN_TOKEN_127_0_0_1="own") == "here\n"


@pytest.mark.usefixtures("job")
def test_the_default_of_netrc_is_for_no_host(kfrun: Kfrun, web: Web) -> None:
    web.files["/rt.yaml"] = runtime()
    netrc = kfrun.write("netrc", "machine example.com login a password b\ndefault login me password mine\n")
    ran(kfrun, "--runtimes", f"{web.url}/rt.yaml", NETRC=str(netrc))
    assert "Authorization" not in web.asked[0][1]


@pytest.mark.usefixtures("job")
def test_what_was_kept_is_not_used_for_whom_the_server_refuses(kfrun: Kfrun, web: Web) -> None:
    web.files["/rt.yaml"] = runtime()
    ran(kfrun, "--runtimes", f"{web.url}/rt.yaml")
    web.secret, web.refusal = "Bearer other", 401
    done = kfrun("run", "-f", "job.yaml", "--runtimes", f"{web.url}/rt.yaml", "--refresh")
    assert done.returncode == 3
    assert "401" in done.stderr
    web.refusal = 503
    assert "is used as it was" in kfrun("run", "-f", "job.yaml", "--runtimes", f"{web.url}/rt.yaml", "--refresh").stderr
