"""``${NAME}`` in requirements files, which an installer replaces by a variable of the caller's, if that is set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.execute.environments.credentials import without_credentials
from kfrun.load.requirements.syntax import VARIABLE
from kfrun.masking import is_secret_name
from kfrun.model.values import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kfrun.execute.environments.request import EnvironmentRequest

_LEAST = 4


def expanded(text: str, environ: Mapping[str, str]) -> str:
    """The text with the values of variables, as pip writes it."""
    return VARIABLE.sub(lambda found: environ.get(found[1]) or found[0], text) if "${" in text else text


def of_request(request: EnvironmentRequest, environ: Mapping[str, str]) -> EnvironmentRequest:
    """The request with the values of variables."""

    def all_of(texts: Iterable[str]) -> tuple[str, ...]:
        return tuple(expanded(text, environ) for text in texts)

    return replace(
        request,
        requirements=all_of(request.requirements),
        constraints=all_of(request.constraints),
        options=all_of(request.options),
        index_urls=all_of(request.index_urls),
    )


def fingerprint(texts: Iterable[str], environ: Mapping[str, str]) -> str:
    """What variables make of the texts, as a digest; empty where they have none. Credentials do not count."""
    # without_credentials looks at a URL as it is written, and at what a whole login was put in for
    found = [expanded(without_credentials(text), environ) for text in texts if VARIABLE.search(text)]
    if not found:
        return ""
    from kfrun.execute.environments.request import digest

    return digest("\0".join(map(without_credentials, found)))


def secrets(texts: Iterable[str], environ: Mapping[str, str]) -> list[str]:
    """Values of variables in the texts that must not be shown: by their names, or since they are part of a URL."""
    found = []
    for text in texts:
        for match in VARIABLE.finditer(text):
            value = environ.get(match[1], "")
            if len(value) >= _LEAST and (is_secret_name(match[1]) or "://" in text[: match.start()]):
                found.append(value)
    return found
