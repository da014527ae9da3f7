"""``--secret-env-file``: what it gives reaches a job's containers, lies nowhere else, and is gone at the job's end."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kfrun import host
from kfrun.host import keyring
from tests.conftest import eventually
from tests.execute import seccomp
from tests.execute.test_misfortune import kill_supervisor, started
from tests.execute.test_volumes_of_jobs import container, manifest, mount, until_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Kfrun

VALUE = "sup3r-s3cret-of-the-tests"
GIVEN = ("--secret-env-file", "hf=hf.env")
TOKEN = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "hf", "key": "TOKEN"}}}
CHECK = f'test "$TOKEN" = {VALUE[:6]}"{VALUE[6:]}"'
"""Passes in who has the secret; in quotes that keep the whole of it out of the manifest."""

WAYS: dict[str, Callable[[Path], dict[str, str]]] = {
    "keyring": lambda _: {},
    "file": lambda _: {"KFRUN_PORTABLE": "1", "XDG_RUNTIME_DIR": ""},
    "memory": lambda folder: {"KFRUN_PORTABLE": "1", "XDG_RUNTIME_DIR": str(folder)},
}
"""How secrets are kept: in the kernel, in the job's folder, below XDG_RUNTIME_DIR."""


class Hidden:
    """Looks for the secret wherever kfrun writes."""

    def __init__(self, kfrun: Kfrun, runtime: Path) -> None:
        self.kfrun = kfrun
        self.runtime = runtime

    def files(self) -> list[str]:
        """The files that hold it; the user's own aside."""
        folders = (self.kfrun.home, self.kfrun.folder, self.runtime, *Path("/dev/shm").glob("kfrun-*"))
        paths = (path for folder in folders for path in folder.rglob("*") if path.is_file() and path.suffix != ".env")
        return sorted({str(path) for path in paths if VALUE.encode() in path.read_bytes()})

    def uids(self) -> list[str]:
        """Of all jobs that are stored or have a folder."""
        return [path.name for path in self.kfrun.home.glob("state/*/jobs/*/*/*")]

    def is_in_keyring(self, uid: str) -> bool:
        try:
            return VALUE.encode() in keyring.read(f"kfrun:{uid}")
        except OSError:
            return False

    def is_nowhere(self, *uids: str) -> bool:
        return not self.files() and not any(map(self.is_in_keyring, (*uids, *self.uids())))


@pytest.fixture
def hidden(kfrun: Kfrun, tmp_path: Path) -> Hidden:
    kfrun.env["KFRUN_RETRY_DELAY"] = "0.1"
    path = kfrun.write("hf.env", f"# of the team\nTOKEN={VALUE}\nUSER_NAME=me\n")
    path.chmod(0o600)
    (tmp_path / "run").mkdir(mode=0o700)
    return Hidden(kfrun, tmp_path / "run")


@pytest.fixture(params=list(WAYS))
def way(request: pytest.FixtureRequest, kfrun: Kfrun, hidden: Hidden) -> str:
    """One of `WAYS`, for all commands of the test."""
    if request.param == "keyring":
        require_keyring()
    kfrun.env |= WAYS[request.param](hidden.runtime)
    return str(request.param)


def require_keyring() -> None:
    try:
        keyring.add("kfrun-test", b"x")
        keyring.remove("kfrun-test")
    except OSError as error:
        pytest.skip(f"no keyring here: {error}")


def job(script: str = CHECK, *mounts: dict[str, Any], backoff: int = 0, **fields: Any) -> str:
    more = {name: fields.pop(name) for name in ("volumes", "objects", "name") if name in fields}
    text = manifest(container(script, *mounts, env=[TOKEN], **fields), pod={"restartPolicy": "Never"}, **more)
    return text.replace('"backoffLimit": 0', f'"backoffLimit": {backoff}')


def apply(kfrun: Kfrun, text: str, *more: str) -> str:
    kfrun.ok("apply", "-q", "-f", kfrun.write("manifest.yaml", text), *GIVEN, *more)
    (uid,) = Hidden(kfrun, kfrun.folder).uids()
    return uid


def test_it_reaches_variables_and_volumes_and_nothing_else(kfrun: Kfrun, hidden: Hidden, way: str) -> None:
    script = f"""{CHECK}; test "$HF_USER_NAME" = me; test "$(cat /hf/TOKEN)" = "$TOKEN"; test "$(cat /all/t)" = "$TOKEN"
test "$(stat -Lc %a /hf/TOKEN)" = 400; : > ready; until [ -e go ]; do sleep 0.05; done"""
    source = {"secret": {"name": "hf", "items": [{"key": "TOKEN", "path": "t"}]}}
    volumes = [
        {"name": "hf", "secret": {"secretName": "hf", "defaultMode": 0o400}},
        {"name": "all", "projected": {"sources": [source]}},
    ]
    whole = [{"prefix": "HF_", "secretRef": {"name": "hf"}}]
    text = job(script, mount("/hf", "hf"), mount("/all", "all"), volumes=volumes, envFrom=whole)
    uid = apply(kfrun, text)
    eventually((kfrun.folder / "ready").exists, what="the job has what it needs")
    own = [path for path in hidden.files() if not path.startswith("/dev/shm/")]
    where = {"keyring": [], "memory": [f"{hidden.runtime}/kfrun/{uid}.json"]}
    folder = next(kfrun.home.glob("state/*/jobs/*/*/*"))
    assert own == where.get(way, [f"{folder}/secret-values.json"])
    assert all(Path(path).stat().st_mode & 0o777 == 0o600 for path in own)
    assert hidden.is_in_keyring(uid) == (way == "keyring")
    environs = [environ for pid, _ in kfrun.processes() if (environ := environment(pid))]
    helpers = [environ for environ in environs if b"KFRUN_HELPER=1" in environ]
    assert len(helpers) >= 2, "the supervisor and a recorder"
    assert not any(VALUE.encode() in environ for environ in helpers)
    assert any(VALUE.encode() in environ for environ in environs), "the container has it"
    assert not any(VALUE in command for _, command in kfrun.processes())
    for words in (["describe", "job"], ["get", "tj,pods,jobsets,jobs", "-o", "yaml"], ["events", "-A"]):
        assert VALUE not in kfrun.ok(*words)
    kfrun.write("go", "")
    assert kfrun("wait", "job", "--timeout", "20s").returncode == 0
    eventually(lambda: not kfrun.processes(), what="the supervisor has left")
    assert hidden.is_nowhere(uid)
    assert json.loads((folder / "secrets.json").read_text())["names"] == ["hf"]


def environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # it has ended
        return b""


def test_it_outlives_the_supervisor_and_every_retry(kfrun: Kfrun, hidden: Hidden, way: str) -> None:
    del way
    uid = apply(kfrun, job(f"{CHECK} || exit 7; until [ -e go ]; do sleep 0.05; done; rm go; exit 3", backoff=1))
    for count in (1, 2):
        started(kfrun)
        kill_supervisor(kfrun)
        kfrun.write("go", "")
        eventually(lambda: not (kfrun.folder / "go").exists(), what=f"attempt {count} has ended")
        kfrun.ok("get", "trainjobs")
    assert kfrun("wait", "job", "--timeout", "40s").returncode == 3, "twice 3, and no 7"
    eventually(lambda: not kfrun.processes())
    assert hidden.is_nowhere(uid)


def test_a_job_that_ends_while_nobody_looks_leaves_it_to_the_next_command(
    kfrun: Kfrun, hidden: Hidden, way: str
) -> None:
    del way
    uid = apply(kfrun, job(f"{CHECK}; : > ready; until [ -e go ]; do sleep 0.05; done"))
    eventually((kfrun.folder / "ready").exists)
    kill_supervisor(kfrun)
    kfrun.write("go", "")
    eventually(lambda: not kfrun.processes())
    assert not hidden.is_nowhere(uid)
    kfrun.ok("get", "trainjobs")
    eventually(lambda: hidden.is_nowhere(uid), what="the next command saw to it")


@pytest.mark.parametrize("state", ["running", "suspended", "without a folder"])
def test_a_job_that_is_deleted_takes_it_along(kfrun: Kfrun, hidden: Hidden, way: str, state: str) -> None:
    uid = apply(kfrun, job(f"{CHECK}; : > ready; exec sleep 60"))
    eventually((kfrun.folder / "ready").exists)
    if state == "suspended":
        kfrun.ok("suspend", "job")
        eventually(lambda: not kfrun.processes())
        assert not hidden.is_nowhere(uid), "it is kept for when the job is resumed"
    if state == "without a folder":
        shutil.rmtree(kfrun.home / "state" / hidden.kfrun.database.parent.name / "jobs")
    kfrun("delete", "trainjob", "job", "--now")
    eventually(lambda: hidden.is_nowhere(uid), what=f"{way}: nothing is left of it")


def test_a_suspended_job_that_has_lost_it_says_so_and_takes_it_again(kfrun: Kfrun, hidden: Hidden, way: str) -> None:
    text = job(f"{CHECK}; : > ready; exec sleep 60")
    uid = apply(kfrun, text)
    eventually((kfrun.folder / "ready").exists)
    kfrun.ok("suspend", "job")
    eventually(lambda: not kfrun.processes())
    lose(hidden, uid)
    done = kfrun("resume", "job")
    assert done.returncode == 1
    assert "job was given hf by --secret-env-file, which is not kept any more" in done.stderr
    assert "kfrun apply -f MANIFEST --secret-env-file hf=FILE" in done.stderr
    (kfrun.folder / "ready").unlink()
    assert "job unchanged" in kfrun.ok("apply", "-q", "-f", kfrun.folder / "manifest.yaml", *GIVEN)
    kfrun.ok("resume", "job")
    eventually((kfrun.folder / "ready").exists, what=f"{way}: it has it again")


SIGNALLED = """
import os, sys
from kfrun.__main__ import main
number, when, where = sys.argv[1:4]
sys.argv[1:4] = []

def look(frame, event, _):
    if event == when and f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}" == where:
        sys.setprofile(None)
        os.kill(os.getpid(), int(number))

sys.setprofile(look)
main()
"""
"""kfrun, which gets a signal when a function is called or returns: ``python -c ... SIGNAL WHEN WHERE WORD...``."""


def signalled(kfrun: Kfrun, number: signal.Signals, moment: str, *words: str | Path) -> subprocess.Popen[bytes]:
    line = [sys.executable, "-c", SIGNALLED, str(int(number)), *moment.split(), *map(str, words)]
    return subprocess.Popen(line, cwd=kfrun.folder, env=kfrun.env, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize(
    "moment",
    [
        "return kfrun.execute.local.jobfiles.write",
        "call kfrun.execute.local.supply.secretkeep.keep",
        "return kfrun.execute.local.supply.secretkeep.keep",
        "return kfrun.execute.local.supervisors.start",
    ],
)
def test_a_command_that_is_killed_leaves_it_to_a_job_or_nowhere(
    kfrun: Kfrun, hidden: Hidden, way: str, moment: str
) -> None:
    words = ("apply", "-q", "-f", kfrun.write("manifest.yaml", job()), *GIVEN)
    assert signalled(kfrun, signal.SIGKILL, moment, *words).wait(60) == -signal.SIGKILL
    uids = hidden.uids()
    assert len(uids) == 1, "it had begun"
    with kfrun.store() as store:
        assert hidden.is_nowhere(*uids) or [run.uid for run in store.runs()] == uids, "nobody would come to it"
    kfrun.ok(*words)
    assert kfrun("wait", "job", "--timeout", "30s").returncode == 0, "given again it has all that it needs"
    eventually(lambda: not kfrun.processes(), what="the supervisor has left")
    assert hidden.is_nowhere(*uids), way


@pytest.mark.parametrize("verb", ["stop", "delete"])
def test_a_job_that_ends_while_it_is_given_keeps_none(kfrun: Kfrun, hidden: Hidden, way: str, verb: str) -> None:
    words = ("apply", "-q", "-f", kfrun.write("manifest.yaml", job()), *GIVEN)
    with signalled(kfrun, signal.SIGSTOP, "call kfrun.host.keyring.add", *words) as giver:
        identity = host.identify(giver.pid)
        assert identity is not None
        eventually(lambda: host.is_stopped(identity), what="it is about to keep it")
        (uid,) = hidden.uids()
        kfrun.ok(verb, "trainjob/job", "--now")
        giver.send_signal(signal.SIGCONT)
    assert giver.returncode == 0
    eventually(lambda: not kfrun.processes(), what="the supervisor has left")
    assert hidden.is_nowhere(uid), way


def test_where_it_cannot_be_kept_the_job_waits_and_it_is_said(kfrun: Kfrun, hidden: Hidden) -> None:
    kfrun.env |= WAYS["memory"](hidden.runtime)
    (hidden.runtime / "kfrun").write_text("something else")
    words = ("apply", "-q", "-f", kfrun.write("manifest.yaml", job()), *GIVEN)
    done = kfrun(*words)
    assert done.returncode == 3
    assert f"{hidden.runtime}/kfrun cannot be written: File exists" in done.stderr
    assert "kfrun apply -f MANIFEST --secret-env-file hf=FILE gives it its Secrets" in done.stderr
    kfrun.ok("get", "trainjobs")
    assert 'secret "hf" is not kept any more' in until_event(kfrun, "Failed")
    (hidden.runtime / "kfrun").unlink()
    kfrun.ok(*words)
    assert kfrun("wait", "job", "--timeout", "30s").returncode == 0
    eventually(lambda: not kfrun.processes(), what="the supervisor has left")
    assert hidden.is_nowhere()


SYSTEM_CALLS = {"x86_64": "248,249,250", "aarch64": "217,218,219"}
"""add_key, request_key and keyctl, by machine."""


@pytest.mark.skipif(os.uname().machine not in SYSTEM_CALLS or sys.platform != "linux", reason="no numbers of its calls")
@pytest.mark.parametrize("error", [errno.ENOSYS, errno.EPERM], ids=errno.errorcode.get)
def test_a_kernel_that_has_no_keyring_for_us_leaves_it_in_a_file(kfrun: Kfrun, hidden: Hidden, error: int) -> None:
    """ENOSYS: as gVisor answers; EPERM: as the filters of container engines do."""
    kfrun.env["XDG_RUNTIME_DIR"] = ""
    path = kfrun.write("manifest.yaml", job(f"{CHECK} || exit 7; until [ -e go ]; do sleep 0.05; done; exit 3"))
    filtered = [sys.executable, seccomp.__file__, str(error), SYSTEM_CALLS[os.uname().machine], sys.executable]
    probe = "from kfrun.host import keyring; keyring.add('kfrun-test', b'x')"
    refused = subprocess.run([*filtered, "-c", probe], capture_output=True, text=True)
    assert os.strerror(error) in refused.stderr
    done = subprocess.run(
        [*filtered, "-m", "kfrun", "apply", "-q", "-f", path, *GIVEN], cwd=kfrun.folder, env=kfrun.env
    )
    assert done.returncode == 0
    started(kfrun)
    (uid,) = hidden.uids()
    (file,) = hidden.files()
    assert (Path(file).name, Path(file).stat().st_mode & 0o777) == ("secret-values.json", 0o600)
    assert not hidden.is_in_keyring(uid)
    kfrun.write("go", "")
    assert kfrun("wait", "job", "--timeout", "20s").returncode == 3
    eventually(lambda: not kfrun.processes(), what="the supervisor has left")
    assert hidden.is_nowhere(uid)


def lose(hidden: Hidden, uid: str) -> None:
    """As a machine that is restarted does, of what is in its memory."""
    if hidden.is_in_keyring(uid):
        keyring.remove(f"kfrun:{uid}")
    for path in hidden.files():
        Path(path).unlink()
    assert hidden.is_nowhere(uid)


def test_a_running_job_that_has_lost_it_waits_says_what_to_do_and_goes_on(
    kfrun: Kfrun, hidden: Hidden, way: str
) -> None:
    uid = apply(kfrun, job(f"{CHECK}; until [ -e go ]; do sleep 0.05; done; rm go; exit 3", backoff=1))
    started(kfrun)
    kill_supervisor(kfrun)
    lose(hidden, uid)
    kfrun.write("go", "")
    eventually(lambda: not (kfrun.folder / "go").exists())
    kfrun.ok("get", "trainjobs")
    said = until_event(kfrun, "Failed")
    assert 'secret "hf" is not kept any more, which --secret-env-file gave' in said
    assert "kfrun apply -f MANIFEST --secret-env-file hf=FILE" in said
    assert "unchanged" in kfrun.ok("apply", "-q", "-f", kfrun.folder / "manifest.yaml", *GIVEN)
    started(kfrun)
    kfrun.write("go", "")
    assert kfrun("wait", "job", "--timeout", "20s").returncode == 3, way


def test_a_supervisor_has_in_mind_what_is_lost_under_it(kfrun: Kfrun, hidden: Hidden, way: str) -> None:
    """A user who logs out takes XDG_RUNTIME_DIR along, and the job goes on."""
    uid = apply(kfrun, job(f"{CHECK} || exit 7; until [ -e go ]; do sleep 0.05; done; rm go; exit 3", backoff=1))
    started(kfrun)
    lose(hidden, uid)
    for _ in range(2):
        kfrun.write("go", "")
        eventually(lambda: not (kfrun.folder / "go").exists(), what=way)
    assert kfrun("wait", "job", "--timeout", "20s").returncode == 3


def test_another_run_needs_it_again_and_says_so(kfrun: Kfrun, hidden: Hidden) -> None:
    text = job(f'{CHECK} && echo "as it should be"')
    path = kfrun.write("manifest.yaml", text)
    done = kfrun("run", "-f", path, *GIVEN)
    assert (done.returncode, done.stdout) == (0, "as it should be\n")
    assert "secret/hf: 2 keys, for this run alone and gone at its end" in done.stderr
    assert "again: kfrun rerun job --secret-env-file hf=hf.env" in done.stderr
    assert hidden.is_nowhere()
    done = kfrun("rerun", "job", "-d", "-q")
    assert (
        "KF510: there is no Secret hf, neither in the input nor stored: the pod waits until it is there" in done.stderr
    )
    assert "--secret-env-file hf=FILE" in done.stderr
    kfrun.ok("stop", "job", "--now")
    done = kfrun("rerun", "job", *GIVEN)
    assert (done.returncode, "KF510" in done.stderr) == (0, False)
    assert hidden.is_nowhere()


def test_a_saved_plan_knows_nothing_of_it_and_is_applied_with_it(kfrun: Kfrun, hidden: Hidden) -> None:
    path = kfrun.write("manifest.yaml", job(CHECK))
    done = kfrun("plan", "-f", path, "--out", "job.plan", *GIVEN)
    assert done.returncode == 0
    assert "kfrun apply job.plan with --secret-env-file does exactly this" in done.stderr
    assert "KF510" not in done.stderr
    assert not kfrun.home.exists() or hidden.is_nowhere(), "a plan keeps nothing"
    assert "hf.env" not in (kfrun.folder / "job.plan").read_text()
    assert VALUE not in kfrun.ok("plan", "-f", path, "-o", "json", *GIVEN)
    kfrun.ok("apply", "--wait", "job.plan", *GIVEN)
    assert hidden.is_nowhere()


def test_what_comes_from_the_environment_is_not_kept_with_it(kfrun: Kfrun, hidden: Hidden) -> None:
    kfrun.write("bare.env", "TOKEN\n").chmod(0o600)
    path = kfrun.write("manifest.yaml", job(CHECK))
    assert kfrun("run", "-q", "-f", path, "--secret-env-file", "hf=bare.env", TOKEN=VALUE).returncode == 0
    assert hidden.is_nowhere()
    done = kfrun("run", "-q", "-f", path, "--secret-env-file", "hf=bare.env")
    assert "bare.env:1:1: error KF130" in done.stderr


def test_a_job_that_nobody_can_look_after_any_more_loses_it_too(kfrun: Kfrun, hidden: Hidden, way: str) -> None:
    volumes = [{"name": "hf", "secret": {"secretName": "hf"}}]
    uid = apply(kfrun, job(f"{CHECK}; : > ready; exec sleep 60", mount("/hf", "hf"), volumes=volumes))
    eventually((kfrun.folder / "ready").exists)
    kill_supervisor(kfrun)
    next(kfrun.home.rglob("job.json")).write_text("{}")
    kfrun.ok("get", "trainjobs")
    assert kfrun("wait", "job", "--timeout", "20s").returncode != 124
    eventually(lambda: hidden.is_nowhere(uid), what=way)


def test_each_job_gets_what_it_refers_to_and_a_stored_secret_is_not_touched(kfrun: Kfrun, hidden: Hidden) -> None:
    stored = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hf"}, "stringData": {"TOKEN": "stored"}}
    kfrun.ok("apply", "-q", "-f", kfrun.write("secret.yaml", json.dumps(stored)))
    other = manifest(container("true"), name="other").replace('"name": "rt"', '"name": "rt2"')
    path = kfrun.write("manifest.yaml", f"{job(CHECK)}\n---\n{other}")
    kfrun.ok("apply", "-q", "--wait", "-f", path, *GIVEN)
    assert [file.parent.parent.name for file in kfrun.home.rglob("secrets.json")] == ["job"]
    assert kfrun("run", "-q", "-f", kfrun.write("manifest.yaml", job('test "$TOKEN" = stored'))).returncode == 0
    assert hidden.is_nowhere()


SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hf"}, "stringData": {"TOKEN": "other"}}


@pytest.mark.parametrize(
    ("flags", "message", "code"),
    [
        (["hf.env"], '"hf.env" does not say which Secret that is', 2),
        (["hf="], '"hf=" does not say which Secret that is', 2),
        (["HF=hf.env"], '"HF" is no name of a Secret', 2),
        (["hg=hf.env"], 'no job refers to a Secret "hg"\nhint: they refer to hf', 2),
        (["hf=hf.env", "hf=hf.env"], "hf=hf.env has a key that an earlier file of hf has", 2),
        (["hf=none.env"], "there is no file of variables none.env", 1),
        (["hf=bad.env"], "bad.env:2:1: error KF130: a key without = has its value", 1),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_done(
    kfrun: Kfrun, hidden: Hidden, flags: list[str], message: str, code: int
) -> None:
    kfrun.write("bad.env", f"A=b\n{VALUE}\n").chmod(0o600)
    path = kfrun.write("manifest.yaml", job(CHECK))
    given = [word for flag in flags for word in ("--secret-env-file", flag)]
    for verb in ("run", "apply", "create", "plan"):
        done = kfrun(verb, "-f", path, *given)
        assert (done.returncode, message in done.stderr) == (code, True), done.stderr
        assert VALUE not in done.stdout + done.stderr
    assert not kfrun.database.exists() or kfrun.ok("get", "trainjobs", "-o", "name") == ""
    assert hidden.is_nowhere()


def test_a_secret_that_is_in_the_input_too_is_refused(kfrun: Kfrun, hidden: Hidden) -> None:
    path = kfrun.write("manifest.yaml", job(CHECK, objects=(SECRET,)))
    done = kfrun("apply", "-f", path, *GIVEN)
    assert done.returncode == 2
    assert '--secret-env-file: the Secret "hf" is in the input, too, at ' in done.stderr
    assert "manifest.yaml:1:" in done.stderr
    assert hidden.is_nowhere()
