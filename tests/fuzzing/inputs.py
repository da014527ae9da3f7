"""Whole inputs: made from the schemas or taken from a seed, mutated as objects and as text, and written down."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kfrun.load import kubeyaml
from tests.fuzzing import manifests, mutations, texts
from tests.fuzzing.choices import SeededChoices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.fuzzing.choices import Choices

ROOT: Final = Path(__file__).resolve().parents[2]
OWN: Final = ("tests/conformance/cases", "tests/jobs", "tests/plan", "tests/resolve/data", "tests/scenarios",
              "examples", "runtimes")  # fmt: skip
"""Folders of the project whose manifests are seeds."""

SUFFIXES: Final = (".yaml", ".yml", ".j2")
LONGEST: Final = 40_000
"""Characters of a seed; longer ones teach nothing more and take longer."""


class Input(NamedTuple):
    """What is given to kfrun.

    Attributes:
        data: the bytes of the file.
        is_template: it is rendered, with `texts.VALUES`.
        version: the Trainer version.
        made_of: the seed, for a person who looks for the cause.
        before: the objects as they were before they were made wrong, as JSON.
    """

    data: bytes
    is_template: bool = False
    version: str = manifests.VERSIONS[0]
    made_of: str = ""
    before: str = ""


class Seed(NamedTuple):
    """A file that mutated inputs are made of."""

    name: str
    text: str


def read_seeds(folders: Sequence[str]) -> list[Seed]:
    """The manifests in the folders, by name."""
    found = {}
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in SUFFIXES and path.name != "expected.yaml" and path.is_file():
                text = path.read_text(encoding="utf-8", errors="replace")
                found[f"{folder}/{path.relative_to(ROOT / folder)}"] = text
    return [Seed(name, text) for name, text in sorted(found.items()) if 0 < len(text) <= LONGEST]


def numbered(seed: int, index: int, seeds: Sequence[Seed]) -> Input:
    """The input of a number: the same for the same seeds, whatever was made before."""
    return mutated(SeededChoices(f"{seed}/{index}"), seeds)


def mutated(choices: Choices, seeds: Sequence[Seed]) -> Input:
    """An input that is most likely wrong, in one of many ways."""
    version = choices.pick((*manifests.VERSIONS[:1] * 4, *manifests.VERSIONS))
    change = choices.pick(_CHANGES)
    seed = choices.pick(seeds) if seeds and choices.below(3) else None
    objects = copy.deepcopy(_objects(seed)) if seed else [*manifests.pair(choices, version)]
    if seed and (change is None or not objects):
        before, text = "", texts.damage(choices, seed.text)
    else:
        before = "\n".join(json.dumps(item) for item in objects)
        if change is not None:
            change(choices, objects, version)
        text = texts.written(choices, objects)
    if choices.once_in(10):
        text = texts.damage(choices, text)
    is_template = "{{" in text or "{%" in text or choices.once_in(40)
    return Input(texts.encoded(choices, text), is_template, version, seed.name if seed else "the schemas", before)


def _wrong(choices: Choices, objects: list[Any], version: str) -> None:
    mutations.mutate(choices, objects)


def _both(choices: Choices, objects: list[Any], version: str) -> None:
    mutations.rewrite(choices, objects, version)
    mutations.mutate(choices, objects)


_CHANGES: Final = (*(None,) * 3, *(_wrong,) * 3, *(mutations.rewrite,) * 3, _both)
"""What is done to objects; without any, the text of a seed is damaged, and what the schemas allow stays as it is."""


@cache
def _objects(seed: Seed) -> list[Any]:
    return [item.data for item in kubeyaml.parse(seed.text, seed.name)[0]]
