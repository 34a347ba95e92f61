"""Packs the bundle: `python -m deploy.bundle dist/mcp-rag.mcpb`. Needs node, and `npm ci` in this folder."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy.bundle.manifest import ENTRY_POINT, PROJECT, ROOT, manifest
from mcp_rag import __version__

HERE = Path(__file__).parent
OFFICIAL_TOOL = HERE / "node_modules/.bin/mcpb"

# `uv` installs the wheel that lies beside it, and from the index what that needs.
PYPROJECT = """\
[project]
name = "mcp-rag-bundle"
version = "{version}"
requires-python = "{python}"
dependencies = ["{name}"]

[tool.uv]
package = false

[tool.uv.sources]
{name} = {{ path = "{wheel}" }}
"""


def wheel(folder: Path) -> Path:
    """The wheel, built from a copy of what git knows, less what it ignores, so that nothing stale gets in."""
    known = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(known, cwd=ROOT, capture_output=True, check=True, text=True)
    with tempfile.TemporaryDirectory() as source:
        for name in filter(None, listed.stdout.split("\0")):
            (Path(source) / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, Path(source) / name, follow_symlinks=False)
        subprocess.run(
            [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, source],
            check=True,
        )
    return next(folder.glob("*.whl"))


def lay_out(folder: Path) -> None:
    """What the bundle consists of."""
    built = wheel(folder)
    text = PYPROJECT.format(
        version=__version__, python=PROJECT["requires-python"], name=PROJECT["name"], wheel=built.name
    )
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    (folder / "manifest.json").write_text(json.dumps(manifest(), indent=2) + "\n", encoding="utf-8")
    (folder / ENTRY_POINT).parent.mkdir()
    shutil.copy(HERE / "server.py", folder / ENTRY_POINT)
    shutil.copy(ROOT / "LICENSE", folder)


def main() -> None:
    packed = Path(sys.argv[1]).absolute()
    packed.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        lay_out(Path(name))
        subprocess.run([OFFICIAL_TOOL, "validate", Path(name) / "manifest.json"], check=True)
        subprocess.run([OFFICIAL_TOOL, "pack", name, packed], check=True)


if __name__ == "__main__":
    main()
