"""Strategies of hypothesis: inputs that the schemas allow, and inputs made wrong, for every version and ML policy."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import strategies as st

from tests.fuzzing import inputs, manifests, mutations, texts
from tests.fuzzing.choices import Choices

if TYPE_CHECKING:
    from tests.fuzzing.inputs import Input


class DrawnChoices(Choices):
    """Choices that hypothesis makes, and shrinks."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def below(self, end: int) -> int:
        """A number from 0 up to, but not, ``end``."""
        return self._draw(st.integers(0, end - 1))


class Valid(NamedTuple):
    """Objects that the schemas of a version allow, and their text."""

    objects: list[dict[str, Any]]
    text: str
    version: str

    @property
    def input(self) -> Input:
        """As a file."""
        return inputs.Input(self.text.encode(), version=self.version)


@st.composite
def valid(draw: st.DrawFn, policy: str | None = None, version: str | None = None) -> Valid:
    """A runtime with the policy and a TrainJob that refers to it, in any style of YAML or JSON."""
    choices = DrawnChoices(draw)
    version = version or choices.pick(manifests.VERSIONS)
    runtime = manifests.runtime(choices, version, policy or choices.pick(manifests.policies(version)))
    objects = [runtime, manifests.job(choices, version, runtime)]
    return Valid(objects, texts.plain(choices, copy.deepcopy(objects)), version)


@st.composite
def wrong_objects(draw: st.DrawFn) -> Input:
    """An input whose objects were changed: fields dropped, retyped, renamed, doubled."""
    choices = DrawnChoices(draw)
    version = choices.pick(manifests.VERSIONS)
    objects: list[Any] = list(manifests.pair(choices, version))
    mutations.mutate(choices, objects)
    return inputs.Input(texts.encoded(choices, texts.written(choices, objects)), version=version)


@st.composite
def wrong_texts(draw: st.DrawFn) -> Input:
    """An input whose text was changed: indents, anchors, tags, breaks, bytes, parts of templates."""
    choices = DrawnChoices(draw)
    version = choices.pick(manifests.VERSIONS)
    objects: list[Any] = list(manifests.pair(choices, version))
    text = texts.damage(choices, texts.written(choices, objects))
    return inputs.Input(texts.encoded(choices, text), "{{" in text or "{%" in text, version)
