"""Python modules that a program missed: what its last words say of them, and which package brings one. Pure."""

from __future__ import annotations

from typing import Final

from kfrun.model.values import NamedTuple
from kfrun.patterns import pattern

_NOT_FOUND: Final = pattern(
    r"(?:ModuleNotFoundError: No module named '([\w.]+)'|^\S*python[\d.]*: No module named ([\w.]+)$)"
)
_NO_LIBRARY: Final = pattern(r"(?:ImportError|OSError): (lib[\w.+-]+\.so[\d.]*): cannot open shared object file")
_NO_NAME: Final = pattern(r"ImportError: cannot import name '(\w+)' from '(\w+)[\w.]*'")

_PACKAGES: Final = {
    "Bio": "biopython",
    "Crypto": "pycryptodome",
    "Levenshtein": "levenshtein",
    "OpenSSL": "pyopenssl",
    "PIL": "pillow",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "distutils": "setuptools",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "faiss": "faiss-cpu",
    "fitz": "pymupdf",
    "git": "gitpython",
    "google": "protobuf",
    "haiku": "dm-haiku",
    "hydra": "hydra-core",
    "ignite": "pytorch-ignite",
    "imblearn": "imbalanced-learn",
    "jwt": "pyjwt",
    "lightning_fabric": "lightning",
    "magic": "python-magic",
    "mpl_toolkits": "matplotlib",
    "open_clip": "open-clip-torch",
    "pkg_resources": "setuptools",
    "pptx": "python-pptx",
    "psycopg2": "psycopg2-binary",
    "pylab": "matplotlib",
    "pywt": "pywavelets",
    "ruamel": "ruamel.yaml",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "slugify": "python-slugify",
    "tree": "dm-tree",
    "umap": "umap-learn",
    "usb": "pyusb",
    "yaml": "pyyaml",
    "zmq": "pyzmq",
}
"""Modules whose packages have another name; elsewhere an underscore is written as a hyphen."""


class MissedModule(NamedTuple):
    """What could not be imported.

    Attributes:
        name: of the module.
        within: the package that is there and has no such module or name; empty where nothing of it is there.
        is_library: a shared library of the system is meant.
    """

    name: str
    within: str = ""
    is_library: bool = False


def missed(text: str) -> MissedModule | None:
    """The last import that failed for good, as the words of a program tell."""
    found: MissedModule | None = None
    for line in text.splitlines():
        if "rror: " not in line and ": No module named " not in line:
            continue
        if match := _NOT_FOUND.search(line):
            name = match[1] or match[2]
            found = MissedModule(name, name.rpartition(".")[0])
        elif match := _NO_LIBRARY.search(line):
            found = MissedModule(match[1], is_library=True)
        elif match := _NO_NAME.search(line):
            found = MissedModule(match[1], match[2])
    return found


def package(module: str) -> str:
    """The package that brings a module, by the name that installers know."""
    top = module.partition(".")[0]
    return _PACKAGES.get(top, top.replace("_", "-"))
