"""The doctor's look at the database and the models, and at whether they fit together."""

import asyncio
import math
import time
from typing import Any

import asyncpg

from mcp_rag import compose
from mcp_rag.cli.checks import Check, bad, failed, fine, poor, skipped
from mcp_rag.embedding import locate
from mcp_rag.errors import ExtensionMissing, ModelError, ModelMismatch, SchemaOutdated, StoreError
from mcp_rag.local_models.origin import Runtime
from mcp_rag.models import EmbeddingModel
from mcp_rag.postgres import schema
from mcp_rag.postgres.database import APPLICATION_ROLE, Database
from mcp_rag.postgres.embedded import find_binaries
from mcp_rag.postgres.failures import translated
from mcp_rag.postgres.store import Store
from mcp_rag.rag import DEFAULT_TENANT
from mcp_rag.settings import Settings

OLDEST_POSTGRES = 16
PATIENCE = 10
"""Seconds that a database has to answer."""

VERSIONS = """
SELECT current_setting('server_version') AS server,
    current_setting('server_version_num')::integer / 10000 AS major,
    coalesce(installed_version, default_version) AS pgvector
FROM (VALUES ('vector')) wanted (name) LEFT JOIN pg_available_extensions USING (name)
"""
UNPROTECTED = """
SELECT relname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND attname = 'tenant_id'
    AND NOT (relrowsecurity AND relforcerowsecurity)
ORDER BY relname
"""
ROLE = """
SELECT rolsuper OR rolbypassrls AS bypasses,
    EXISTS (SELECT FROM pg_class WHERE relowner = pg_roles.oid AND relkind IN ('r', 'p')) AS owns
FROM pg_roles WHERE rolname = $1
"""


async def model_checks(settings: Settings) -> tuple[list[Check], EmbeddingModel | None]:
    """What is to be said of the configured model, and the model if it works."""
    checks = [await asyncio.to_thread(_model_files, settings)]
    if checks[0].verdict == "fail":
        return checks, None
    embedder = compose.create_embedder(settings)
    try:
        await embedder.load()
        begun = time.perf_counter()
        vector = await embedder.embed_query("Does it work?")
        took = (time.perf_counter() - begun) * 1000
        model = embedder.model
    except ModelError as error:
        return [*checks, failed("Test embedding", error)], None
    finally:
        await embedder.close()
    return [*checks, fine("Test embedding", f"{model.name}, {len(vector)} dimensions, {took:.0f} ms")], model


def _model_files(settings: Settings) -> Check:
    if settings.embedding_provider == "openai":
        return skipped("Model files", f"none here: {settings.embedding_url} embeds")
    runtime: Runtime = "onnx" if settings.embedding_provider == "onnx" else "torch"
    try:
        files = locate.find(
            settings.embedding_model,
            runtime,
            path=settings.model_path,
            allow_download=settings.allow_download,
        )
    except ModelError as error:
        return failed("Model files", error)
    checked = "taken at your word" if settings.model_path else "checksums compared"
    return fine("Model files", f"{files.weights[0]}, {checked}")


async def reranking_check(settings: Settings) -> Check:
    """A search works without the reranking model, so that one which is missing is no failure."""
    reranker = compose.create_reranker(settings)
    if reranker is None:
        return skipped("Reranking model", "turned off")
    try:
        await reranker.load()
        begun = time.perf_counter()
        await reranker.scores("Does it work?", ["It works."], budget=math.inf)
        took = (time.perf_counter() - begun) * 1000
    except ModelError as error:
        return poor("Reranking model", error.cause, error.remedy)
    finally:
        await reranker.close()
    return fine("Reranking model", f"{reranker.name}, {took:.0f} ms for one text")


async def database_checks(settings: Settings, model: EmbeddingModel | None) -> list[Check]:
    """What is to be said of the database. An external one is only looked at; the embedded one is started."""
    checks: list[Check] = []
    database = compose.create_database(settings)
    embedded = settings.database_url is None
    try:
        if embedded:
            checks.append(fine("Postgres programs", str(find_binaries())))
            await database.open()
        checks += await _server(database)
        if checks[-1].verdict == "ok":
            if not embedded:
                await database.open()
            checks += await _contents(database, model)
    except StoreError as error:
        checks.append(failed("Database", error))
    finally:
        await database.close()
    return checks


async def _server(database: Database) -> list[Check]:
    """The server's version, pgvector, and as the last one the schema."""
    with translated():
        connection = await asyncpg.connect(database.owner_url, timeout=PATIENCE)
        try:
            (found,) = await connection.fetch(VERSIONS)
            unprotected = [row["relname"] for row in await connection.fetch(UNPROTECTED)]
            role = await connection.fetchrow(ROLE, APPLICATION_ROLE)
        finally:
            await connection.close()
    stored = await schema.state(database.owner_url)
    checks = [_version(found), _pgvector(found["pgvector"])]
    if stored is not None:
        checks.append(_row_security(unprotected, role))
    return [*checks, _schema(stored)]


def _version(found: Any) -> Check:
    name = f"Postgres {found['server']}"
    if found["major"] < OLDEST_POSTGRES:
        return bad("Database", name, f"Use Postgres {OLDEST_POSTGRES} or newer.")
    return fine("Database", f"{name} answers")


def _pgvector(version: str | None) -> Check:
    if version is None:
        return failed("pgvector", ExtensionMissing("The server does not have it."))
    if tuple(int(part) for part in version.split(".")[:2]) < schema.OLDEST_PGVECTOR:
        return failed("pgvector", ExtensionMissing(f"It is {version}."))
    return fine("pgvector", version)


def _schema(found: schema.State | None) -> Check:
    if found is None:
        return skipped("Schema", "none yet; the first use of the database, or `mcp-rag migrate`, makes it")
    return fine("Schema", f"revision {found.revision}") if found.suits else failed("Schema", found.refusal())


def _row_security(unprotected: list[str], role: Any) -> Check:
    if unprotected:
        return bad(
            "Row security",
            f"not forced on {', '.join(unprotected)}",
            "ALTER TABLE ... FORCE ROW LEVEL SECURITY.",
        )
    if role is None:
        return bad("Row security", f"there is no role {APPLICATION_ROLE}", SchemaOutdated.remedy)
    if role["bypasses"] or role["owns"]:
        remedy = f"ALTER ROLE {APPLICATION_ROLE} NOSUPERUSER NOBYPASSRLS, and let it own nothing."
        return bad("Row security", f"{APPLICATION_ROLE} can get around it", remedy)
    return fine("Row security", f"forced, and {APPLICATION_ROLE} cannot get around it")


async def _contents(database: Database, model: EmbeddingModel | None) -> list[Check]:
    async with Store(database).transaction(DEFAULT_TENANT, readonly=True) as tx:
        active = await tx.active_model()
        counts = await tx.counts(active[0] if active else None)
    checks = [fine("Contents", f"{counts['conversations']:,} conversations, {counts['messages']:,} messages")]
    waiting = counts["passages"] - counts["vectors"]
    if waiting:
        remedy = "A running server embeds them, and so does `mcp-rag ingest`."
        checks.append(poor("Vectors", f"{waiting:,} passages wait for one", remedy))
    else:
        checks.append(fine("Vectors", "no passage waits for one"))
    return [*checks, _fit(active[1] if active else None, model)]


def _fit(stored: EmbeddingModel | None, model: EmbeddingModel | None) -> Check:
    if stored is None:
        return skipped("Model of the store", "none yet; the first one that is used becomes it")
    if model is None:
        return skipped("Model of the store", f"{stored.name}; there is none to compare it with")
    if stored != model:
        cause = f"{stored.name} ({stored.fingerprint[:12]}), not {model.name} ({model.fingerprint[:12]})"
        return bad("Model of the store", cause, ModelMismatch.remedy)
    return fine("Model of the store", f"{stored.name}, as configured")
