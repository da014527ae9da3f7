"""The two shell scripts of a Flux job.

``init.sh`` runs in the image that brings Flux, ``entrypoint.sh`` in the trainer's. They share an emptyDir: a copy of
Flux (``view``), and its configuration (``config``). The settings are upstream's, the scripts are kfrun's own.
"""

from __future__ import annotations

from typing import Final

from kfrun.model.values import NamedTuple

SHARED: Final = "/mnt/flux"

_PORT: Final = 8050


class ScriptFacts(NamedTuple):
    """What the scripts depend on; ``tasks`` and ``gpus`` are per node."""

    name: str
    namespace: str
    nodes: int
    tasks: int
    gpus: int
    device: str
    queue_policy: str


_INIT: Final = """\
#!/bin/bash
# Copies Flux out of its image and writes the configuration that all brokers of the job share.
set -eu

fluxroot=/opt/view
mainHost=@MAIN@
hosts="@HOSTS@"
shared=/mnt/flux

echo "Flux for ${hosts} (${mainHost})"

# the view is a tree of links into /opt/software: both are needed, at the paths they were built for
mkdir -p ${shared}/view ${shared}/software
cp -a ${fluxroot}/. ${shared}/view/
if [ -d /opt/software ]; then
    cp -a /opt/software/. ${shared}/software/
fi

configroot=${shared}/config
mkdir -p ${configroot}/etc/flux/config ${configroot}/etc/flux/system ${configroot}/etc/curve

cat > ${configroot}/etc/flux/config/broker.toml <<'BROKER'
[bootstrap]
curve_cert = "/mnt/flux/config/etc/curve/curve.cert"
default_port = 8050
default_bind = "tcp://@DEVICE@:%p"
default_connect = "tcp://%h.@NAME@.@NAMESPACE@.svc.cluster.local:%p"
hosts = [
    { host="@HOSTS@"},
]

# written by each node for itself; what hwloc sees there may be more than the job asked for
[resource]
path = "/tmp/R"
noverify = true

[sched-fluxion-qmanager]
queue-policy = "@QUEUE@"
BROKER

echo "${hosts}" > ${configroot}/etc/flux/system/hostlist

# the trainer may run as another user
chmod -R a+rwX ${configroot}
"""

_ENTRYPOINT: Final = """\
#!/bin/bash
# Starts this node's broker; on the first node the job's command runs in the instance that the brokers form.
command="${1:-}"

shared=/mnt/flux
fluxroot=${shared}/view
configroot=${shared}/config

if [ -d ${shared}/software ] && [ -w /opt/software ]; then
    cp -a ${shared}/software/. /opt/software/
fi
export PATH=${fluxroot}/bin:${PATH}
export LD_LIBRARY_PATH=${fluxroot}/lib:${LD_LIBRARY_PATH:-}
for packages in ${fluxroot}/lib/flux/python3* ${fluxroot}/lib/python3*/site-packages; do
    if [ -d "${packages}" ]; then
        export PYTHONPATH=${packages}${PYTHONPATH:+:${PYTHONPATH}}
    fi
done
if [ -d ${fluxroot}/share/lua/5.4 ]; then
    export LUA_PATH="${fluxroot}/share/lua/5.4/?.lua;;"
fi

# the Secret cannot be read by Flux where it is mounted: it wants a file of its own user, closed to others
mkdir -p ${configroot}/etc/curve
cp /curve/curve.cert ${configroot}/etc/curve/curve.cert
chmod 0400 ${configroot}/etc/curve/curve.cert

hosts=$(cat ${configroot}/etc/flux/system/hostlist)
flux R encode --hosts=${hosts} @RESOURCES@ > /tmp/R

mainHost="@MAIN@"
flags="@FLAGS@"
rundir=$(mktemp -d)
options=(
    -o,-c${configroot}/etc/flux/config
    -o,-Srundir=${rundir}
    -o,-Sstatedir=${rundir}
    -o,-Stbon.connect_timeout=5s
    -o,-Slog-stderr-mode=local
)

if [ "${HOSTNAME}" = "${mainHost}" ]; then
    if [ -z "${command}" ]; then
        # nothing to run: an instance to log in to
        exec flux start "${options[@]}" sleep infinity
    fi
    # flags and command are words of a command line; patterns in them are the command's business
    set -f
    exec flux start "${options[@]}" flux run ${flags} ${command}
fi

# a broker that comes before the first one fails and tries again
until flux start "${options[@]}"; do
    echo "the broker ended with $?; trying again in 15 s"
    sleep 15
done
"""


def scripts(facts: ScriptFacts) -> dict[str, str]:
    """The scripts by the names of their files."""
    return {
        "entrypoint.sh": _filled(
            _ENTRYPOINT,
            {
                "MAIN": f"{facts.name}-node-0-0",
                "RESOURCES": _resources(facts),
                "FLAGS": _flags(facts),
            },
        ),
        "init.sh": _filled(
            _INIT,
            {
                # upstream's name of the main host here is no host; it is only shown
                "MAIN": f"{facts.name}-0",
                "HOSTS": f"{facts.name}-node-0-[{_range(facts.nodes)}]",
                "DEVICE": facts.device,
                "NAME": facts.name,
                "NAMESPACE": facts.namespace,
                "QUEUE": facts.queue_policy,
            },
        ),
    }


def _filled(template: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        template = template.replace(f"@{name}@", value)
    return template


def _resources(facts: ScriptFacts) -> str:
    gpus = f" --gpu={_range(facts.gpus)}" if facts.gpus > 0 else ""
    return f"--cores={_range(facts.tasks)}{gpus}"


def _flags(facts: ScriptFacts) -> str:
    gpus = f" -g {facts.gpus}" if facts.gpus > 0 else ""
    return f"-N {facts.nodes} -n {facts.tasks * facts.nodes}{gpus}  "


def _range(count: int) -> str:
    """The numbers from 0 as the controller writes them: ``0``, ``0-3``, and ``0--1`` where there are none."""
    return "0" if count == 1 else f"0-{count - 1}"
