"""`mcp-rag doctor`: everything that can be wrong, each with what to do about it."""

import asyncio
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from mcp_rag import __version__
from mcp_rag.cli import clients, output, ports
from mcp_rag.cli.checks import Check, bad, fine, from_error, poor, unasked
from mcp_rag.cli.clients import Client
from mcp_rag.cli.doctor_store import database_checks, model_checks
from mcp_rag.cli.output import Shown, block
from mcp_rag.errors import InvalidSettings, RagError
from mcp_rag.models import Frozen
from mcp_rag.settings import Settings

if sys.platform != "win32":
    from mcp_rag import rendezvous
