"""Variables that an init container writes into a file: ``valueFrom.fileKeyRef``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.execute.test_volumes_of_jobs import EMPTY, container, manifest, mount, run, until_event

if TYPE_CHECKING:
    from tests.conftest import Kfrun


def taken(key: str, **fields: Any) -> dict[str, Any]:
    return {"name": key, "valueFrom": {"fileKeyRef": {"volumeName": "v", "path": "sub/a.env", "key": key, **fields}}}


def written(script: str, *env: dict[str, Any], said: str = 'echo "$URL/$B"') -> str:
    first = container(f"mkdir -p /out/sub; cd /out/sub; {script}", mount("/out"), name="first")
    return manifest(container(said, env=list(env)), volumes=EMPTY, pod={"initContainers": [first]})


def test_a_variable_comes_from_a_file_that_an_init_container_wrote_in_a_volume_that_nobody_mounts(
    kfrun: Kfrun,
) -> None:
    text = written("""printf "URL='tcp://x'\\nA='1'" > a.env""", taken("URL"), {"name": "B", "value": "$(URL)!"})
    assert "[node-0] tcp://x/tcp://x!\n" in run(kfrun, text)


def test_what_is_optional_and_not_there_is_no_variable(kfrun: Kfrun) -> None:
    text = written("""printf "A='1'" > a.env""", taken("URL", optional=True), {"name": "B", "value": "b"})
    assert "[node-0] unset b\n" in run(kfrun, text.replace('\\"$URL/$B\\"', "${URL-unset} $B"))
    text = written("rmdir /out/sub", taken("URL", optional=True), said="echo ${URL-unset}")
    assert "[node-0] unset\n" in run(kfrun, text)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("true", 'env file sub/a.env in volume "v" not found'),
        ("""echo "A='1'" > a.env""", 'couldn\'t find key URL in env file sub/a.env in volume "v"'),
        (
            "echo URL=s3cret > a.env",
            'couldn\'t parse env file sub/a.env in volume "v": line 1: the value must stand between single quotes',
        ),
        ("ln -s /etc/passwd a.env", 'env file sub/a.env in volume "v" cannot be read: it leads out of the volume'),
        ("mkdir a.env", 'env file sub/a.env in volume "v" cannot be read'),
        (
            "head -c 2000000 /dev/zero > a.env",
            'env file sub/a.env in volume "v" cannot be read: it has more than 1 MiB',
        ),
    ],
)
def test_what_cannot_be_read_keeps_the_container_waiting_and_says_why(kfrun: Kfrun, script: str, message: str) -> None:
    path = kfrun.write("manifest.yaml", written(script, taken("URL")))
    kfrun.ok("apply", "-q", "-f", str(path))
    said = until_event(kfrun, "Failed")
    assert said.startswith(f"Error: {message}")
    assert "s3cret" not in said
