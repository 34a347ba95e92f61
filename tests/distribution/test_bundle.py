"""The MCPB bundle, packed by the official tool, and started by `uv` with what users fill in, as by a host."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client
from uv import find_uv_bin

from mcp_rag import __version__
from mcp_rag.rendezvous import Place, stop
from mcp_rag.settings import Settings

pytestmark = pytest.mark.bundle

ROOT = Path(__file__).parents[2]
PACKAGING = ROOT / "deploy/bundle"
MCPB = PACKAGING / "node_modules/.bin/mcpb"
PATIENCE = 120
# How a host makes a command of a manifest, by the library that hosts use.
CONFIGURED = """
import { getMcpConfigForManifest } from "@anthropic-ai/mcpb";
const given = JSON.parse(process.argv[1]);
const told = await getMcpConfigForManifest({ systemDirs: {}, pathSeparator: "/", ...given });
console.log(JSON.stringify(told));
"""


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory, plain_environment: dict[str, str]) -> Path:
    """The bundle, from the command behind `make bundle`."""
    file = tmp_path_factory.mktemp("packed") / "mcp-rag.mcpb"
    subprocess.run([sys.executable, "-m", "deploy.bundle", file], cwd=ROOT, env=plain_environment, check=True)
    return file


@pytest.fixture(scope="module")
def machine(plain_environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """The environment of a user who has `uv` and no Python package of ours."""
    kept = {
        name: value
        for name, value in plain_environment.items()
        if not name.startswith(("MCP_RAG_", "PYTHON", "VIRTUAL_ENV"))
    }
    # Not tmp_path: a socket's path must be short, and who runs Postgres for root must get in.
    folder = Path(tempfile.mkdtemp(prefix="rag-"))
    folder.chmod(0o755)
    (folder / "run").mkdir(mode=0o700)
    index = {"UV_DEFAULT_INDEX": os.environ["PIP_INDEX_URL"]} if "PIP_INDEX_URL" in os.environ else {}
    try:
        yield (
            kept
            | index
            | {
                "XDG_RUNTIME_DIR": str(folder / "run"),
                "XDG_DATA_HOME": str(folder / "data"),
                "UV_PYTHON": sys.executable,
            }
        )
    finally:
        for socket in folder.glob("run/mcp-rag/*.sock"):
            assert stop(Place(str(socket.with_suffix(""))), PATIENCE)
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def installed(packed: Path, machine: dict[str, str]) -> Path:
    """The folder in which a host has unpacked the bundle and installed what it needs."""
    folder = packed.with_name("installed")
    subprocess.run([MCPB, "unpack", packed, folder], check=True)
    subprocess.run([find_uv_bin(), "sync", "--quiet", "--directory", folder], env=machine, check=True)
    return folder


@pytest.fixture(scope="module")
def manifest(installed: Path) -> dict[str, Any]:
    return dict(json.loads((installed / "manifest.json").read_text("utf-8")))


def configured(installed: Path, manifest: dict[str, Any], **filled_in: object) -> dict[str, Any]:
    """The command and environment that a host makes of the manifest."""
    given = {"manifest": manifest, "extensionPath": str(installed), "userConfig": filled_in}
    done = subprocess.run(
        ["node", "--input-type=module", "-e", CONFIGURED, json.dumps(given)],
        cwd=PACKAGING,
        check=True,
        capture_output=True,
    )
    return dict(json.loads(done.stdout))


def started(config: dict[str, Any], machine: dict[str, str]) -> Client:
    """The server as a process. It is installed: whatever it lacked now it could not get."""
    assert config["command"] == "uv"
    told = StdioServerParameters(
        command=find_uv_bin(), args=config["args"], env=machine | config["env"] | {"UV_OFFLINE": "1"}
    )
    return Client(stdio_client(told), read_timeout_seconds=PATIENCE)


async def called(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error and result.structured_content, result
    return result.structured_content


def test_the_bundle_carries_the_product_once_and_none_of_what_it_needs(packed: Path) -> None:
    wheel = f"mcp_rag_memory-{__version__}-py3-none-any.whl"
    carried = {"LICENSE", "manifest.json", "pyproject.toml", "src/server.py", wheel}
    assert set(zipfile.ZipFile(packed).namelist()) == carried


def test_the_manifest_names_the_version_that_it_carries(manifest: dict[str, Any]) -> None:
    assert manifest["manifest_version"] == "0.4"
    assert manifest["version"] == __version__


async def test_a_host_that_fills_in_a_data_folder_gets_a_memory_that_is_kept_there(
    installed: Path, manifest: dict[str, Any], machine: dict[str, str]
) -> None:
    folder = Path(machine["XDG_DATA_HOME"]).with_name("a folder of mine")
    config = configured(installed, manifest, data_dir=str(folder))
    async with started(config, machine) as client:
        await called(client, "ingest", conversation_id="harbour", content="We moved the opening to 14 March.")
        found = await called(client, "search", query="when is the opening?")
    assert [hit["id"] for hit in found["results"]] == ["harbour#0"]
    assert list(folder.iterdir())

    by_entry_point = ["run", "--directory", str(installed), manifest["server"]["entry_point"]]
    async with started(config | {"args": by_entry_point}, machine) as client:
        assert "14 March" in (await called(client, "fetch", id="harbour"))["text"]


async def test_the_manifest_lists_what_the_server_offers(
    installed: Path, manifest: dict[str, Any], machine: dict[str, str]
) -> None:
    async with started(configured(installed, manifest), machine) as client:
        tools = (await client.list_tools()).tools
        prompts = (await client.list_prompts()).prompts
        assert [tool["name"] for tool in manifest["tools"]] == [tool.name for tool in tools]
        for told, tool in zip(manifest["tools"], tools, strict=True):
            assert (tool.description or "").startswith(told["description"].rstrip("."))
        assert [
            (prompt["name"], prompt["description"], prompt["arguments"]) for prompt in manifest["prompts"]
        ] == [
            (prompt.name, prompt.description, [argument.name for argument in prompt.arguments or ()])
            for prompt in prompts
        ]
        for told in manifest["prompts"]:
            words = {name: f"word{number}" for number, name in enumerate(told["arguments"])}
            (message,) = (await client.get_prompt(told["name"], words)).messages
            for name, word in words.items():
                told["text"] = told["text"].replace(f"${{arguments.{name}}}", word)
            assert message.content.text == told["text"]


async def test_a_host_whose_user_wants_only_to_read_is_offered_no_writing(
    installed: Path, manifest: dict[str, Any], machine: dict[str, str]
) -> None:
    async with started(configured(installed, manifest, read_only=True), machine) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
    assert {"ingest", "forget"} == {tool["name"] for tool in manifest["tools"]} - names


def test_fields_that_nobody_filled_in_are_as_if_they_were_not_there(
    installed: Path, manifest: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("MCP_RAG_")]:
        monkeypatch.delenv(name)
    alone = Settings.read()
    for name, value in configured(installed, manifest)["env"].items():
        assert "$" not in value
        monkeypatch.setenv(name, value)
    assert Settings.read() == alone


def test_every_field_is_a_setting_and_a_secret_one_is_masked(manifest: dict[str, Any]) -> None:
    for key, field in manifest["user_config"].items():
        assert field.get("sensitive", False) == ("Secret" in str(Settings.model_fields[key].annotation))
        assert manifest["server"]["mcp_config"]["env"][f"MCP_RAG_{key.upper()}"] == f"${{user_config.{key}}}"
