"""Calls made up from the service's own description: nothing breaks, nothing answers what was not said."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from mcp_rag.postgres.database import Database
from mcp_rag.ports import Embedder
from mcp_rag.postgres.store import Store
from mcp_rag.rag import Rag
from tests.conftest import TEMPLATE, Borrowed, of_database
from tests.http.running import running, token

pytestmark = pytest.mark.fuzz
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
