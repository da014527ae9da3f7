"""Security contexts of pods and containers, on Linux and on Windows, as the API server takes them.

So are the annotations that said some of it before there were fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kfrun.patterns import pattern
from kfrun.validate.admission.causes import (
    Cause,
    Node,
    Place,
    bytes_of,
    choice,
    duplicate,
    every_container,
    forbidden,
    invalid,
    is_subdomain,
    items,
    node,
    number,
    quoted,
    relative_path,
    required,
    text,
    too_long,
    unsupported,
    values,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST: Final = 2**31 - 1
_PROFILES: Final = ("Localhost", "RuntimeDefault", "Unconfined")
_SYSCTL = pattern(r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?([./][a-z0-9]([-_a-z0-9]*[a-z0-9])?)*")
_OF_IPC: Final = ("kernel.shm", "kernel.msg", "fs.mqueue.")
_LONGEST_PATH: Final = 4095
_MOST_CREDENTIALS: Final = 64 * 1024
_LONGEST_DOMAIN, _LONGEST_USER = 255, 104
_CONTROL = pattern(r"[\x00-\x1f\x7f]")
_NET_BIOS = pattern(r"[^\\/:*?\"<>|.][^\\/:*?\"<>|]{0,14}")
_DOMAIN = pattern(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*")
_NO_USER = pattern(r"[. ]*|[^\"/\\:;|=,+*?<>@\[\]\n]*[\"/\\:;|=,+*?<>@\[\]].*")
_USER: Final = "write user or DOMAIN\\user, as Windows has it"
_Names = dict[str, tuple[str, ...]]
_SECCOMP_OF_POD: Final = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP: Final = "container.seccomp.security.alpha.kubernetes.io/"
_APP_ARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"
_LOCALHOST: Final = "localhost/"
_SECCOMP_NAMES: Final[_Names] = {"Unconfined": ("unconfined",), "RuntimeDefault": ("runtime/default", "docker/default")}
_APP_ARMOR_NAMES: Final[_Names] = {"Unconfined": ("unconfined",), "RuntimeDefault": ("runtime/default",)}
_IN_ANNOTATIONS: Final = "unconfined, runtime/default, localhost/<profile>"
_FIELD: Final = "remove the annotation; the field says it"
_POD_OF_LINUX: Final = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "fsGroup", "fsGroupChangePolicy", "runAsUser",
    "runAsGroup", "supplementalGroups", "supplementalGroupsPolicy", "seLinuxChangePolicy",
)  # fmt: skip
_CONTAINER_OF_LINUX: Final = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem", "privileged",
    "allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup",
)  # fmt: skip


def of_pod(pod: Node, place: Place) -> Iterator[Cause]:
    """``securityContext`` of a pod; upstream names the host* fields below it, too."""
    context, at = node(pod, "securityContext"), place / "securityContext"
    yield from _ids(context, at, "runAsUser", "runAsGroup", "fsGroup")
    for index, group in enumerate(values(context, "supplementalGroups")):
        if isinstance(group, int) and not 0 <= group <= _MOST:
            yield invalid(
                (at / "supplementalGroups").item(index),
                group,
                f"allowed: 0 to {_MOST}",
                "write the number of the group",
            )
    yield from choice(context, at, "fsGroupChangePolicy", ("Always", "OnRootMismatch"))
    yield from choice(context, at, "supplementalGroupsPolicy", ("Merge", "Strict"))
    yield from choice(context, at, "seLinuxChangePolicy", ("Recursive",))
    yield from _sysctls(pod, context, at)
    yield from _profiles(context, at)
    yield from _windows_options(context, at)
    if pod.get("hostPID") is True and pod.get("shareProcessNamespace") is True:
        shown = at / "shareProcessNamespace"
        yield invalid(
            (place / "shareProcessNamespace").shown_as(shown), "true", "hostPID excludes it", "remove one of the two"
        )
    if pod.get("hostUsers") is False:
        yield from _own_users(pod, place)


def _own_users(pod: Node, place: Place) -> Iterator[Cause]:
    """What ``hostUsers: false`` excludes; upstream writes two of the fields with a capital."""
    for field, shown in (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")):
        if pod.get(field) is True:
            yield forbidden(
                (place / field).shown_as(place / shown), "hostUsers: false excludes it", "remove one of the two"
            )
    for at, container in every_container(pod, place):
        if values(container, "volumeDevices"):
            yield forbidden(
                at / "volumeDevices", "hostUsers: false excludes it", "mount the volume, or allow hostUsers"
            )


def of_container(container: Node, place: Place, *, host_users: bool) -> Iterator[Cause]:
    """``securityContext`` of a container."""
    context, at = node(container, "securityContext"), place / "securityContext"
    yield from _ids(context, at, "runAsUser", "runAsGroup")
    mount = text(context, "procMount")
    yield from choice(context, at, "procMount", ("Default", "Unmasked"))
    if mount == "Unmasked" and host_users:
        yield invalid(at / "procMount", mount, "it needs hostUsers: false", "set hostUsers: false in the pod")
    yield from _profiles(context, at)
    yield from _windows_options(context, at)
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged") is True:
            yield invalid(at, context, "privileged: true excludes allowPrivilegeEscalation: false", "remove privileged")
        if "CAP_SYS_ADMIN" in values(node(context, "capabilities"), "add"):
            yield invalid(at, context, "CAP_SYS_ADMIN excludes allowPrivilegeEscalation: false", "remove CAP_SYS_ADMIN")


def _ids(context: Node, at: Place, *fields: str) -> Iterator[Cause]:
    for field in fields:
        value = number(context, field)
        if value is not None and not 0 <= value <= _MOST:
            yield invalid(at / field, value, f"allowed: 0 to {_MOST}", "write a number, 0 for root")


def _sysctls(pod: Node, context: Node, at: Place) -> Iterator[Cause]:
    seen: set[str] = set()
    for item_at, sysctl in items(context, "sysctls", at):
        name = text(sysctl, "name")
        if not name:
            yield required(item_at / "name")
        elif len(name) > 253 or not _SYSCTL.fullmatch(name):
            yield invalid(
                item_at / "name", name, "allowed: a name like net.core.somaxconn", "write it as sysctl -a lists it"
            )
        elif name in seen:
            yield duplicate(item_at / "name", name)
        seen.add(name)
        field = _namespace(name)
        if field and pod.get(field) is True:
            hint = f"remove the sysctl, or {field}"
            yield invalid(item_at / "name", name, f"with {field}: true it would be the host's", hint)


def _namespace(sysctl: str) -> str:
    """The field that gives a pod the host's namespace in which ``sysctl`` holds."""
    first = next((one for one in sysctl if one in "./"), ".")
    name = sysctl.translate({ord("/"): ".", ord("."): "/"}) if first == "/" else sysctl
    if name.startswith("net."):
        return "hostNetwork"
    return "hostIPC" if name == "kernel.sem" or name.startswith(_OF_IPC) else ""


def _profiles(context: Node, at: Place) -> Iterator[Cause]:
    for field in ("seccompProfile", "appArmorProfile"):
        if context.get(field) is not None:
            yield from _profile(node(context, field), at / field)


def _profile(profile: Node, at: Place) -> Iterator[Cause]:
    kind, name = text(profile, "type"), profile.get("localhostProfile")
    if not kind:
        yield required(at / "type")
    elif kind not in _PROFILES:
        yield unsupported(at / "type", kind, _PROFILES)
    is_seccomp = at.path[-1] == "seccompProfile"
    if kind == "Localhost":
        yield from _local_profile(name, at / "localhostProfile", is_seccomp=is_seccomp)
    elif name is not None and (is_seccomp or kind in _PROFILES):
        yield invalid(at / "localhostProfile", name, "it is for type Localhost", "remove it, or write type: Localhost")


def _local_profile(name: object, at: Place, *, is_seccomp: bool) -> Iterator[Cause]:
    if name is None or (not name and not is_seccomp):
        yield required(at, "type Localhost needs it", "name the profile, or write RuntimeDefault")
    elif is_seccomp:
        yield from relative_path(at, str(name))
    elif str(name).strip() != name:
        yield invalid(at, name, "it has spaces at its ends", "write it without them")
    if not is_seccomp and len(str(name or "")) > _LONGEST_PATH:
        yield too_long(at, len(str(name)), _LONGEST_PATH)


def annotated_profiles(annotations: Node, at: Place, spec: Node, place: Place) -> Iterator[Cause]:
    """Profiles as they were written before there were fields for them; ``place`` is that of the pod's spec."""
    names = {text(one, "name") for _, one in every_container(spec, place)}
    for key, value in annotations.items():
        if key == _SECCOMP_OF_POD or key.startswith(_SECCOMP):
            yield from _seccomp(str(value), at / key)
        elif key.startswith(_APP_ARMOR):
            yield from _app_armor(key.removeprefix(_APP_ARMOR), str(value), at.key(key), names)
    yield from _contradictions(annotations, spec, place)


def _seccomp(profile: str, at: Place) -> Iterator[Cause]:
    if profile.startswith(_LOCALHOST):
        yield from relative_path(at, profile.removeprefix(_LOCALHOST))
    elif not any(profile in names for names in _SECCOMP_NAMES.values()):
        yield invalid(at, profile, f"allowed: {_IN_ANNOTATIONS}", "remove it; securityContext.seccompProfile says it")


def _app_armor(container: str, profile: str, at: Place, names: set[str]) -> Iterator[Cause]:
    if container not in names:
        yield invalid(at, container, "the pod has no such container", "name a container of the pod, or remove it")
    known = ("", *_APP_ARMOR_NAMES["Unconfined"], *_APP_ARMOR_NAMES["RuntimeDefault"])
    if profile not in known and not profile.startswith(_LOCALHOST):
        yield invalid(at, profile, f"allowed: {_IN_ANNOTATIONS}", "remove it; securityContext.appArmorProfile says it")


def _contradictions(given: Node, spec: Node, place: Place) -> Iterator[Cause]:
    """What an annotation and a field say of the same thing, where they do not agree."""
    own = node(spec, "securityContext")
    if _SECCOMP_OF_POD in given:
        at = place / "securityContext" / "seccompProfile"
        yield from _unlike(str(given[_SECCOMP_OF_POD]), node(own, "seccompProfile"), at, _SECCOMP_NAMES)
    on_windows = text(node(spec, "os"), "name") == "windows"
    for container_at, container in every_container(spec, place):
        name, context = text(container, "name"), node(container, "securityContext")
        at = container_at / "securityContext"
        seccomp, app_armor = given.get(_SECCOMP + name), given.get(_APP_ARMOR + name)
        if seccomp is not None:
            yield from _unlike(str(seccomp), node(context, "seccompProfile"), at / "seccompProfile", _SECCOMP_NAMES)
        if app_armor is not None and not on_windows:
            profile = node(own if context.get("appArmorProfile") is None else context, "appArmorProfile")
            yield from _unlike(str(app_armor), profile, at / "appArmorProfile", _APP_ARMOR_NAMES)


def _unlike(annotation: str, profile: Node, at: Place, names: _Names) -> Iterator[Cause]:
    kind, says = text(profile, "type"), f"the annotation says {quoted(annotation)}"
    if kind in names:
        if annotation not in names[kind]:
            yield forbidden(at / "type", says, _FIELD)
    elif kind == "Localhost":
        if not annotation.startswith(_LOCALHOST):
            yield forbidden(at / "type", says, _FIELD)
        elif annotation.removeprefix(_LOCALHOST) != profile.get("localhostProfile"):
            yield forbidden(at / "localhostProfile", says, _FIELD)


def _windows_options(context: Node, at: Place) -> Iterator[Cause]:
    options = node(context, "windowsOptions")
    if not options:
        return
    place = at / "windowsOptions"
    name, credentials, user = (
        options.get(field) for field in ("gmsaCredentialSpecName", "gmsaCredentialSpec", "runAsUserName")
    )
    if isinstance(name, str) and not is_subdomain(name):
        form = "allowed: lower-case letters, digits, - and ."
        yield invalid(place / "gmsaCredentialSpecName", name, form, "write the name of a GMSACredentialSpec")
    if isinstance(credentials, str) and not 0 < bytes_of(credentials) <= _MOST_CREDENTIALS:
        hint = "name the specification in gmsaCredentialSpecName, or leave it out"
        yield invalid(place / "gmsaCredentialSpec", credentials, f"allowed: 1 to {_MOST_CREDENTIALS} bytes", hint)
    if isinstance(user, str) and (wrong := _wrong_user(user)):
        yield invalid(place / "runAsUserName", user, wrong, _USER)


def _wrong_user(written: str) -> str:
    """Why Windows has no user of that name; empty where it may have."""
    domain, backslash, user = written.rpartition("\\")
    if _CONTROL.search(written):
        return "it may not contain control characters"
    if backslash and (len(domain) > _LONGEST_DOMAIN or not (_NET_BIOS.fullmatch(domain) or _DOMAIN.fullmatch(domain))):
        return "what stands before the backslash is no domain"
    if bytes_of(user) > _LONGEST_USER or _NO_USER.fullmatch(user):
        return f'allowed: up to {_LONGEST_USER} characters without " / \\ : ; | = , + * ? < > @ [ ]'
    return ""


def of_system(pod: Node, place: Place) -> Iterator[Cause]:
    """``os``, and what a pod for it may not have."""
    if pod.get("os") is None:
        return
    system = text(node(pod, "os"), "name")
    if not system:
        yield required(place / "os" / "name")
    elif system == "linux":
        yield from _without_windows(pod, place)
    elif system == "windows":
        yield from _without_linux(pod, place)
    else:
        yield unsupported(place / "os", system, ("linux", "windows"))


def _without_windows(pod: Node, place: Place) -> Iterator[Cause]:
    for at, one in ((place, pod), *every_container(pod, place)):
        if node(one, "securityContext").get("windowsOptions") is not None:
            yield forbidden(at / "securityContext" / "windowsOptions", "os.name linux excludes it")


def _without_linux(pod: Node, place: Place) -> Iterator[Cause]:
    whole = node(pod, "securityContext")
    at = place / "securityContext"
    linux = [place / field for field in ("hostUsers", "shareProcessNamespace") if pod.get(field) is not None]
    linux += [place / field for field in ("hostPID", "hostIPC") if pod.get(field) is True]
    linux += [at / field for field in _POD_OF_LINUX if whole.get(field) is not None]
    linux += [at / "sysctls"] if values(whole, "sysctls") else []
    for container_at, container in every_container(pod, place):
        context, at = node(container, "securityContext"), container_at / "securityContext"
        linux += [at / field for field in _CONTAINER_OF_LINUX if context.get(field) is not None]
    for one in linux:
        yield forbidden(one, "os.name windows excludes it")


def host_process(pod: Node, place: Place) -> Iterator[Cause]:
    """Pods of host processes, which only Windows has: all containers are, or none."""
    both = (*values(pod, "containers"), *values(pod, "initContainers"))
    if "securityContext" not in pod and not any("securityContext" in one for one in both if isinstance(one, dict)):
        return
    whole = node(pod, "securityContext", "windowsOptions").get("hostProcess")
    own = [
        (at, node(container, "securityContext", "windowsOptions").get("hostProcess"))
        for at, container in every_container(pod, place)
    ]
    for at, value in own:
        if None not in (whole, value) and value is not whole:
            field = at / "securityContext" / "windowsOptions" / "hostProcess"
            yield invalid(field, value, f"the pod says {str(whole).lower()}", "remove one of the two")
    on_host = [value for _, value in own if (whole if value is None else value) is True]
    if not on_host:
        return
    if len(on_host) != len(own):
        yield invalid(place, pod, "all containers must be host processes, or none", "set hostProcess in the pod alone")
    if pod.get("hostNetwork") is not True:
        yield invalid(place / "hostNetwork", "false", "pods of host processes need hostNetwork: true", "set it")
