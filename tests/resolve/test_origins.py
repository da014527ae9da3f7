"""The origin of one field, looked up alone, is the one that it has among all."""

from __future__ import annotations

import pytest

from kfrun.load import kubeyaml
from kfrun.resolve.resolver import resolve
from kfrun.resolve.runtimes.catalogue import Catalogue
from tests.bench import corpus

TEXTS = [text for _, text in corpus.documents(16)]


@pytest.mark.parametrize("number", range(0, len(TEXTS), 2))
def test_the_origin_of_each_field_is_found_alone(number: int) -> None:
    (job,), (runtime,) = (kubeyaml.parse(text, f"{number}.yaml")[0] for text in TEXTS[number : number + 2])
    resolution = resolve(job, Catalogue((job, runtime), (), ()))
    origins = resolution.origins
    assert origins._found is None
    alone = {path: origins.get(path) for path in dict(resolve(job, Catalogue((job, runtime), (), ())).origins)}
    assert origins._found is None
    assert alone == dict(origins)
    assert len(alone) > 50
    for path in ((), ("spec", "wrong"), ("spec", "replicatedJobs", 99), ("spec", "replicatedJobs", "name")):
        assert path not in resolution.origins
