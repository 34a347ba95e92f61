"""Calls made up from the service's own description: nothing breaks, and answers are as it says."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mcp_rag.postgres.database import Database
from tests.http.running import token

ROOT = Path(__file__).parents[2]
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "ignored_auth",
)


@pytest.mark.fuzz
async def test_made_up_calls_are_answered_as_the_description_says(
    url: str, database: Database, tmp_path: Path
) -> None:
    secret = (await token(database))["Authorization"]
    done = await asyncio.to_thread(
        subprocess.run,
        [
            Path(sys.executable).with_name("schemathesis"), "run", f"{url}/openapi.json",
            "--header", f"Authorization: {secret}", "--checks", ",".join(CHECKS), "--mode", "all",
            "--phases", "examples,coverage,fuzzing", "--max-examples", "60", "--seed", "1", "--no-color",
            "--generation-database", "none",
        ],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.http.fuzz_hooks"},
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
