"""What is shipped, and that it works where it is put."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, plain_environment: dict[str, str]) -> Path:
    """The wheel, built from a copy of what git knows, so that the checkout stays as it is."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name, follow_symlinks=False)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", built, source],
        env=plain_environment,
        check=True,
    )
    return next(built.iterdir())


def test_the_wheel_has_one_top_level_name(wheel: Path) -> None:
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"mcp_rag"}


def test_the_wheel_carries_every_file_of_the_package_once(wheel: Path) -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, check=True, text=True)
    tracked = {line for line in listed.stdout.splitlines() if not (ROOT / line).is_symlink()}
    expected = {
        name if name.startswith("mcp_rag/") else f"mcp_rag/{name}"
        for name in tracked
        if name.startswith(("mcp_rag/", "tools/", "resources/", "examples/"))
    }
    carried = [name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("mcp_rag/")]
    assert sorted(carried) == sorted(expected)


@pytest.mark.slow
def test_an_installed_wheel_runs_the_demo_from_a_folder_that_it_may_not_write(
    wheel: Path, tmp_path: Path, plain_environment: dict[str, str]
) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv/bin/python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], env=plain_environment, check=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o555)
    environment = {name: value for name, value in os.environ.items() if name != "HOME"}
    demo = subprocess.run(
        [tmp_path / "venv/bin/mcp-rag", "demo"],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert demo.returncode == 0, demo.stderr
    assert "conversation://" in demo.stdout
    assert not list(elsewhere.iterdir())


def test_what_serves_imports_nothing_heavy_before_it_is_needed() -> None:
    heavy = {"onnxruntime", "tokenizers", "torch", "anthropic", "openai", "redis", "detect_secrets"}
    code = f"import sys, mcp_rag.server, mcp_rag.cli.app; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
