"""The Flux scripts run for real, in a folder that stands for the pod's root; only ``flux`` itself is recorded."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from typing import TYPE_CHECKING

import pytest

from kfrun.resolve.policies import fluxscripts
from kfrun.resolve.policies.fluxscripts import ScriptFacts

if TYPE_CHECKING:
    from pathlib import Path

FACTS = ScriptFacts("tj", "default", nodes=2, tasks=4, gpus=2, device="ib0", queue_policy="easy")
FLUX = """\
#!/bin/sh
printf '%s\\n' "$*" >> "$CALLS"
if [ "$1" = start ] && [ -n "$BROKER_FAILS" ] && [ ! -e "$CALLS.failed" ]; then touch "$CALLS.failed"; exit 1; fi
if [ "$1" = R ]; then echo '{"version": 1}'; fi
"""


class _Pod:
    """A folder that stands for the root of a pod."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.calls = root / "calls"
        for path in ("opt/view/bin", "opt/software/pkg", "curve", "tmp", "mnt/flux"):
            (root / path).mkdir(parents=True)
        flux = root / "opt/view/bin/flux"
        flux.write_text(FLUX)
        flux.chmod(0o755)
        (root / "curve/curve.cert").write_text("certificate")

    def run(self, name: str, *args: str, host: str = "tj-node-0-0", **env: str) -> str:
        text = fluxscripts.scripts(FACTS)[name].replace("sleep 15", "sleep 0.01")
        text = re.sub(r"(?<![\w}])(/(?:opt|mnt|curve|tmp)/)", rf"{self.root}\1", text)
        script = self.root / name
        script.write_text(text)
        path = f"{self.root}/opt/view/bin:{os.environ['PATH']}"
        wanted = {"PATH": path, "HOSTNAME": host, "CALLS": str(self.calls), "BROKER_FAILS": "", **env}
        done = subprocess.run(
            ["bash", str(script), *args], env=wanted, capture_output=True, text=True, timeout=60, cwd=self.root
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def called(self) -> list[str]:
        return self.calls.read_text().splitlines()


@pytest.fixture
def pod(tmp_path: Path) -> _Pod:
    return _Pod(tmp_path)


@pytest.mark.parametrize("name", ["init.sh", "entrypoint.sh"])
def test_scripts_are_complete_and_valid(name: str) -> None:
    text = fluxscripts.scripts(FACTS)[name]
    assert "@" not in text.replace("${options[@]}", "")
    assert subprocess.run(["bash", "-n"], input=text, text=True, timeout=20).returncode == 0


@pytest.mark.parametrize(("nodes", "hosts"), [(0, "0--1"), (1, "0"), (2, "0-1"), (10, "0-9")])
def test_hosts_are_written_as_the_controller_writes_them(nodes: int, hosts: str) -> None:
    text = fluxscripts.scripts(FACTS._replace(nodes=nodes))["init.sh"]
    assert f'hosts="tj-node-0-[{hosts}]"' in text.splitlines()


def test_init_shares_flux_and_writes_the_brokers_configuration(pod: _Pod) -> None:
    pod.run("init.sh")
    shared = pod.root / "mnt/flux"
    assert (shared / "view/bin/flux").stat().st_mode & 0o111
    assert (shared / "software/pkg").is_dir()
    assert (shared / "config/etc/flux/system/hostlist").read_text() == "tj-node-0-[0-1]\n"
    config = tomllib.loads((shared / "config/etc/flux/config/broker.toml").read_text())
    bootstrap = config["bootstrap"]
    assert bootstrap["default_bind"] == "tcp://ib0:%p"
    assert bootstrap["default_connect"] == "tcp://%h.tj.default.svc.cluster.local:%p"
    assert bootstrap["hosts"] == [{"host": "tj-node-0-[0-1]"}]
    assert bootstrap["curve_cert"].endswith("/mnt/flux/config/etc/curve/curve.cert")
    assert config["sched-fluxion-qmanager"] == {"queue-policy": "easy"}


def test_the_first_node_runs_the_command_in_the_instance(pod: _Pod) -> None:
    pod.run("init.sh")
    pod.run("entrypoint.sh", "lmp -in *.lmp")
    encode, start = pod.called()
    assert encode == "R encode --hosts=tj-node-0-[0-1] --cores=0-3 --gpu=0-1"
    assert start.startswith(f"start -o,-c{pod.root}/mnt/flux/config/etc/flux/config ")
    assert start.endswith(" flux run -N 2 -n 8 -g 2 lmp -in *.lmp")
    certificate = pod.root / "mnt/flux/config/etc/curve/curve.cert"
    assert certificate.read_text() == "certificate"
    assert certificate.stat().st_mode & 0o777 == 0o400
    assert (pod.root / "tmp/R").exists()
    assert (pod.root / "opt/software/pkg").is_dir()


def test_without_a_command_the_instance_waits_for_people(pod: _Pod) -> None:
    pod.run("init.sh")
    pod.run("entrypoint.sh", "")
    assert pod.called()[-1].endswith(" sleep infinity")


def test_another_node_tries_until_the_first_one_is_there(pod: _Pod) -> None:
    pod.run("init.sh")
    pod.run("entrypoint.sh", "lmp", host="tj-node-0-1", BROKER_FAILS="1")
    starts = [call for call in pod.called() if call.startswith("start")]
    assert len(starts) == 2
    assert all(" run " not in call for call in starts)


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        (FACTS._replace(nodes=1, tasks=1, gpus=0), 'flags="-N 1 -n 1  "'),
        (FACTS._replace(gpus=1), "--cores=0-3 --gpu=0 "),
        (FACTS._replace(nodes=0), 'flags="-N 0 -n 0 -g 2  "'),
    ],
)
def test_counts_become_flags(facts: ScriptFacts, line: str) -> None:
    assert line in fluxscripts.scripts(facts)["entrypoint.sh"]
