"""What the MCP registry is told, and that all who name a version name the same one."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from mcp_rag import __version__
from mcp_rag.settings import Settings

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((Path(__file__).parent / "registry_schema/server.schema.json").read_text("utf-8"))
SERVER = json.loads((ROOT / "server.json").read_text("utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
(PACKAGE,) = SERVER["packages"]
VALIDATOR = jsonschema.Draft7Validator(SCHEMA, format_checker=jsonschema.FormatChecker())
FORMATS = {"filepath": "path", "boolean": "bool", "string": "str"}


def test_server_json_is_what_its_schema_says() -> None:
    assert SERVER["$schema"] == SCHEMA["$id"]
    assert [error.message for error in VALIDATOR.iter_errors(SERVER)] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"description": "x" * 101},
        {"name": "mcp-rag"},
        {"version": None},
        {"packages": [{"registryType": "pypi", "identifier": "mcp-rag-memory"}]},
    ],
)
def test_the_schema_that_lies_here_refuses_what_the_registry_would(wrong: dict[str, Any]) -> None:
    assert list(VALIDATOR.iter_errors(SERVER | wrong))


def test_the_readme_proves_that_the_package_is_the_server_s() -> None:
    # The registry looks for it in the description of the package on its index, which is the README.
    assert PROJECT["readme"] == "README.md"
    named = re.findall(r"mcp-name: (\S+)", (ROOT / "README.md").read_text("utf-8"))
    assert named == [SERVER["name"]]
    assert SERVER["name"].startswith("io.github.")


def test_what_the_registry_tells_a_client_to_start_is_there() -> None:
    assert PACKAGE["identifier"] == PROJECT["name"]
    # `uvx NAME` starts the script of that name.
    assert PROJECT["scripts"][PACKAGE["identifier"]] == PROJECT["scripts"]["mcp-rag"]
    assert [argument["value"] for argument in PACKAGE["packageArguments"]] == ["stdio"]


@pytest.mark.parametrize("variable", PACKAGE["environmentVariables"], ids=lambda variable: variable["name"])
def test_a_variable_that_the_registry_names_is_a_setting(variable: dict[str, Any]) -> None:
    prefix = str(Settings.model_config["env_prefix"])
    field = Settings.model_fields[variable["name"].removeprefix(prefix).lower()]
    kind = str(field.annotation)
    assert variable["description"] == field.description
    assert variable.get("isSecret", False) == ("Secret" in kind)
    assert FORMATS[variable.get("format", "string")] in kind.lower()
    assert variable.get("default") == (None if field.default is None else str(field.default).lower())


def test_all_who_name_a_version_name_the_same() -> None:
    released = re.search(r"^## v?(\d\S*)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    said = {
        "server.json": SERVER["version"],
        "server.json, package": PACKAGE["version"],
        "CHANGELOG.md": released[1] if released else __version__,
        **{
            f"{file.parent.name}, {image['name']}": image["newTag"]
            for file in (ROOT / "deploy" / "kubernetes" / "overlays").glob("*/kustomization.yaml")
            for image in yaml.safe_load(file.read_text("utf-8"))["images"]
        },
        **{
            f"README.md: {found[0]}": found[1]
            for found in re.finditer(
                r"mcp-rag-memory(?:==|-|@)(\d[\w.]*)", (ROOT / "README.md").read_text("utf-8")
            )
        },
    }
    assert said == dict.fromkeys(said, __version__)
    assert PROJECT["dynamic"] == ["version"]


def test_the_registry_takes_no_version_but_an_exact_one() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(?:[-+.]?[0-9A-Za-z.]+)?", __version__)
