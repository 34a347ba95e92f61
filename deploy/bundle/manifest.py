"""What the bundle says about itself. All of it is said elsewhere in the project, and read from there."""

import asyncio
import tomllib
from pathlib import Path
from typing import Any

from mcp.types import Prompt, TextContent

from mcp_rag import __version__
from mcp_rag.rag import Rag
from mcp_rag.server import create_server
from mcp_rag.tools import TOOLS

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ENTRY_POINT = "src/server.py"

# `default` is what stands for a field that nobody filled in: without one, hosts leave the placeholder itself.
USER_CONFIG = {
    "data_dir": {
        "type": "directory",
        "title": "Data folder",
        "description": "Where the memory is kept. Empty: your user's data folder, which other clients share.",
        "default": "",
    },
    "anthropic_api_key": {
        "type": "string",
        "title": "Anthropic API key",
        "description": "With one, answers are written by Claude. Empty: passages are quoted as they are.",
        "sensitive": True,
        "default": "",
    },
    "read_only": {
        "type": "boolean",
        "title": "Only read",
        "description": "Nothing is stored or erased through this client.",
        "default": False,
    },
}
"""Named as the settings are, without their prefix."""


def manifest() -> dict[str, Any]:
    return {
        "manifest_version": "0.4",
        "name": "mcp-rag",
        "display_name": "Memory (mcp-rag)",
        "version": __version__,
        "description": PROJECT["description"],
        "author": {"name": PROJECT["authors"][0]["name"]},
        "license": PROJECT["license"],
        "keywords": PROJECT["keywords"],
        # Who is spoken to where there is a key.
        "privacy_policies": ["https://www.anthropic.com/legal/privacy"],
        "server": {
            "type": "uv",
            "entry_point": ENTRY_POINT,
            "mcp_config": {
                "command": "uv",
                "args": ["run", "--directory", "${__dirname}", "mcp-rag", "stdio"],
                "env": {f"MCP_RAG_{key.upper()}": f"${{user_config.{key}}}" for key in USER_CONFIG},
            },
        },
        "compatibility": {
            # As the README says: Windows has no Unix sockets for the pipe.
            "platforms": ["darwin", "linux"],
            "runtimes": {"python": PROJECT["requires-python"]},
        },
        "tools": [{"name": tool.name, "description": _first_sentence(tool.description)} for tool in TOOLS],
        "prompts": asyncio.run(_prompts()),
        "user_config": {key: {"required": False, **field} for key, field in USER_CONFIG.items()},
    }


def _first_sentence(text: str) -> str:
    return text.split(". ")[0].rstrip(".") + "."


async def _prompts() -> list[dict[str, Any]]:
    server = create_server(_no_rag)
    prompts = []
    for prompt in await server.list_prompts():
        names = [argument.name for argument in prompt.arguments or ()]
        text = await _text(server, prompt, names)
        prompts.append(
            {"name": prompt.name, "description": prompt.description, "arguments": names, "text": text}
        )
    return prompts


async def _text(server: Any, prompt: Prompt, names: list[str]) -> str:
    """The prompt with a place for each argument. A plain word goes in first: addresses escape all else."""
    words = {name: f"ARGUMENT-{name}" for name in names}
    (message,) = (await server.get_prompt(prompt.name, words)).messages
    assert isinstance(message.content, TextContent)
    text = message.content.text
    for name, word in words.items():
        text = text.replace(word, f"${{arguments.{name}}}")
    return text


async def _no_rag() -> Rag:
    raise NotImplementedError("a manifest needs no memory")
