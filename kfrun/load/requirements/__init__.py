"""The files that ``kfrun.dev/requirements`` names, read with everything that they name in turn.

Relative paths of the annotation begin at the manifest's folder. What is read goes with the document, so that the stages
after load see no file; what is wrong with a file goes with it, too, and is told by `kfrun.resolve.extensions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.model.requirements import ANNOTATION
from kfrun.model.values import replace

if TYPE_CHECKING:
    from kfrun.model.source import Document


def attached(document: Document) -> Document:
    """The document with what the files say that its annotations name."""
    from kfrun.load.lines import entries
    from kfrun.load.requirements.closure import Closure

    annotations = document.data["metadata"]["annotations"]
    closure = Closure(document.folder, document.source)
    text = annotations.get(ANNOTATION)
    for entry in entries(text if isinstance(text, str) else ""):
        closure.read(entry.text)
    packages = annotations.get("kfrun.dev/packages")
    for entry in entries(packages if isinstance(packages, str) else ""):
        closure.look_at(entry.text)
    return replace(document, requirements=closure.requirements())
