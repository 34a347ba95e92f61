"""Where a model that is known by name comes from, and the checksums of its files."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

Runtime = Literal["onnx", "torch"]
Checksums = Mapping[str, str]
"""The sha256 of files, by their path in a folder."""


@dataclass(frozen=True)
class PackagedFolder:
    """A folder inside an importable package. Only the files that are named here are read from it."""

    package: str
    path: str
    checksums: Checksums


@dataclass(frozen=True)
class Carrier:
    """Installed packages that hold a whole model: its weights, and the tokenizer and settings around them."""

    weights: PackagedFolder
    surroundings: PackagedFolder


@dataclass(frozen=True)
class Origin:
    """A model's repository on the hub, the revision that was tested (None: any), its carriers."""

    name: str
    repository: str
    revision: str | None
    hub_checksums: Checksums
    carriers: Mapping[Runtime, tuple[Carrier, ...]]


Known = TypeVar("Known", bound=Origin)


def known(model: str, among: Mapping[str, Known]) -> Known | None:
    """Look a model up by its name, with or without the organisation that published it."""
    return among.get(model.rpartition("/")[2].lower())
