"""The one place where configuration is read: environment variables with the prefix MCP_RAG_."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from mcp_rag.errors import InvalidSettings

ASYMMETRIC = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)
"""Algorithms by which a token can be verified by who could not have signed it."""


def between_commas(text: str) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, text.split(","))))


class Settings(BaseSettings):
    # Hosts and composed files set a variable that nobody filled in to nothing.
    model_config = SettingsConfigDict(
        env_prefix="MCP_RAG_", env_ignore_empty=True, frozen=True, extra="ignore"
    )

    database_url: SecretStr | None = Field(
        None, description="Any Postgres >= 16 with pgvector >= 0.8. Unset: an embedded server in `data_dir`."
    )
    migration_database_url: SecretStr | None = Field(
        None, description="The same database as the role that owns the schema. Unset: `database_url`."
    )
    data_dir: Path | None = Field(
        None, description="Where the embedded server keeps its data. Unset: the user's data folder."
    )
    pool_size: int = Field(8, ge=1, le=100, description="Database connections of one process.")
    database_seconds: float = Field(
        30,
        gt=0,
        description="Seconds that a free connection, and what is read from the database, are waited for.",
    )

    embedding_provider: Literal["onnx", "sentence-transformers", "openai"] = Field(
        "onnx", description="Who turns text into vectors."
    )
    embedding_model: str = Field("bge-small-en-v1.5", description="The embedding model's name.")
    embedding_url: str = Field(
        "http://localhost:11434/v1", description="Base URL of an OpenAI-compatible embedding service."
    )
    embedding_api_key: SecretStr | None = Field(None, description="Key for that service.")
    embedding_batch: int = Field(
        64, ge=1, le=2048, description="Texts that this service is sent at once, at most."
    )
    embedding_threads: int = Field(0, ge=0, description="Threads for a model. 0: as many as cores, up to 4.")
    model_path: Path | None = Field(None, description="A folder that holds the embedding model's files.")
    allow_download: bool = Field(False, description="Let models be downloaded from the Hugging Face hub.")

    reranking_provider: Literal["onnx", "sentence-transformers", "none"] = Field(
        "onnx", description="Who reads a question and a passage together, as the second stage of a search."
    )
    reranking_model: str = Field(
        "ms-marco-MiniLM-L-12-v2", description="The reranking model's name, or a folder that holds its files."
    )
    reranking_budget_ms: int = Field(
        250,
        ge=1,
        le=60_000,
        description="Milliseconds that reranking may take; fewer passages rather than late.",
    )

    answerer: Literal["auto", "anthropic", "openai", "sampling", "extractive"] = Field(
        "auto",
        description="Who writes answers. `auto`: Anthropic or an OpenAI-compatible service if one is set up, "
        "else the client's own model if it lends that, else nobody: passages are quoted.",
    )
    anthropic_api_key: SecretStr | None = Field(None, description="Key for Anthropic's API.")
    anthropic_model: str = Field("claude-sonnet-5-5", description="The Claude model that writes.")
    anthropic_url: str = Field("https://api.anthropic.com", description="Base URL of that API.")
    openai_url: str | None = Field(
        None,
        description="Base URL of an OpenAI-compatible service that writes answers, e.g. "
        "http://localhost:11434/v1 for Ollama. Unset: OpenAI's own, if there is a key.",
    )
    openai_api_key: SecretStr | None = Field(None, description="Key for that service, if it needs one.")
    openai_model: str = Field("gpt-5.4-mini", description="The model of that service that writes.")
    answering_passages: int = Field(12, ge=1, le=50, description="Passages that a model reads for an answer.")
    answering_tokens: int = Field(
        6000,
        ge=500,
        le=200_000,
        description="Tokens of these, the question and earlier turns together.",
    )
    answering_length: int = Field(1024, ge=64, le=32_000, description="Tokens that a model may write.")
    answering_seconds: float = Field(
        45, gt=0, le=600, description="Seconds for an answer; a model that is later is not waited for."
    )
    daily_tokens: int = Field(
        0,
        ge=0,
        description="Tokens that models may read and write for a tenant in a day (UTC). 0: any number.",
    )
    redact: bool = Field(False, description="Mask keys, tokens and card numbers in what a model reads.")
    redis_url: SecretStr | None = Field(
        None, description="Where answers are kept and calls are counted for all processes. Unset: in each."
    )

    calls_at_once: int = Field(32, ge=1, description="Calls that `serve` works on at the same time.")
    calls_waiting: int = Field(
        256, ge=0, description="Calls that may wait for that; one more is told to come back later."
    )
    calls_per_minute: int = Field(
        0, ge=0, description="Calls that a caller may make of `serve`. 0: any number."
    )
    tenant_calls_per_minute: int = Field(
        0, ge=0, description="Calls that all callers of a tenant may make together. 0: any number."
    )
    tenant_mb_per_day: int = Field(
        0, ge=0, description="MiB of text that a tenant may send to be stored. 0: any amount."
    )

    read_only: bool = Field(
        False, description="Whether `serve` and `stdio` only read: through them nothing is stored or erased."
    )
    tools: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="The tools that are offered over MCP, between commas. Unset: all."
    )
    embed: bool = Field(
        True, description="Whether a server makes vectors. 0: it leaves all passages to `mcp-rag worker`."
    )
    host: str = Field("127.0.0.1", description="Address that `serve` listens on.")
    public_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Names that clients call `serve` by, between commas; this machine's own always work."
    )
    port: int = Field(8080, ge=0, le=65535, description="Port that `serve` listens on.")
    health_host: str = Field("127.0.0.1", description="Address that `serve` answers probes on.")
    health_port: int = Field(
        8081,
        ge=0,
        le=65535,
        description="Port for probes and metrics: /health, /livez, /readyz, /version, /metrics. `serve` has "
        "it unasked, `worker` and `stdio` where it is set. 0: none.",
    )
    metrics_tenants: int = Field(
        20,
        ge=0,
        le=1000,
        description="Tenants that /metrics names, those that use most; all others are one. 0: none at all.",
    )
    drain_seconds: float = Field(
        0,
        ge=0,
        le=600,
        description="Seconds for which `serve` still takes calls after SIGTERM, while /readyz says 503: as "
        "long as what stands before it needs to notice.",
    )
    grace_seconds: int = Field(
        20, ge=1, le=3600, description="Seconds after that in which calls in flight are finished."
    )
    revision: str | None = Field(
        None, description="The git revision that runs, as /version tells it. Unset: as it was installed from."
    )
    max_message_mb: int = Field(
        64, ge=1, le=1024, description="Largest MCP message or HTTP body that is read, in MiB."
    )

    oidc_issuer: str | None = Field(
        None, description="The identity provider whose tokens are accepted besides our own, as its URL."
    )
    oidc_audience: str | None = Field(
        None,
        validate_default=True,
        description="Whom such a token must be for: the URL that clients call, e.g. https://memory.example.com/mcp.",
    )
    oidc_tenant_claim: str = Field("tenant", min_length=1, description="The claim that names the tenant.")
    oidc_scopes_claim: str = Field(
        "scope", min_length=1, description="The claim with the scopes: a list, or a text with spaces between."
    )
    oidc_scope_prefix: str = Field(
        "rag:",
        description="What our scopes begin with there: `rag:read`, `rag:write`, `rag:erase`, `rag:admin`.",
    )
    oidc_algorithms: Annotated[tuple[str, ...], NoDecode] = Field(
        ("RS256", "ES256", "EdDSA", "Ed25519"),
        min_length=1,
        description="Algorithms that such a token may be signed by, between commas; asymmetric ones only.",
    )

    resident_linger: float = Field(
        600, ge=0, description="Seconds that the resident server stays after its last client has left."
    )
    otlp_url: str | None = Field(
        None,
        description="Where `serve`, `worker` and the resident server send traces, by OTLP over HTTP, e.g. "
        "http://localhost:4318. Unset: nowhere.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="What is logged.")
    log_format: Literal["text", "json"] = Field("text", description="How it is logged, always on stderr.")

    @field_validator("public_hosts", "oidc_algorithms", "tools", mode="before")
    @classmethod
    def _between_commas(cls, value: object) -> object:
        return between_commas(value) if isinstance(value, str) else value

    @field_validator("oidc_issuer")
    @classmethod
    def _is_a_secure_url(cls, value: str | None) -> str | None:
        if value is not None:
            url = urlsplit(value)
            plain = url.scheme == "http" and url.hostname in ("127.0.0.1", "::1", "localhost")
            if not url.hostname or url.query or url.fragment or not (plain or url.scheme == "https"):
                raise ValueError("It must be an https:// URL")
        return value

    @field_validator("oidc_audience")
    @classmethod
    def _is_a_url(cls, value: str | None, others: ValidationInfo) -> str | None:
        if value is None:
            if others.data.get("oidc_issuer") is not None:
                raise ValueError("It is needed with MCP_RAG_OIDC_ISSUER")
            return None
        url = urlsplit(value)
        if url.scheme not in ("https", "http") or not url.hostname or url.query or url.fragment:
            raise ValueError("It must be the URL that clients call")
        return value

    @field_validator("oidc_algorithms")
    @classmethod
    def _are_asymmetric(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [name for name in value if name not in ASYMMETRIC]:
            raise ValueError(f"{wrong[0]} is none of {', '.join(ASYMMETRIC)}")
        return value

    @field_validator("database_url", "migration_database_url")
    @classmethod
    def _names_a_postgres(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            url = urlsplit(value.get_secret_value())
            if url.scheme not in ("postgresql", "postgres"):
                raise ValueError("It must begin with postgresql://")
            url.port  # noqa: B018 - raises where it is no number
        return value

    @classmethod
    def read(cls) -> "Settings":
        """Read the environment.

        Raises:
            InvalidSettings: a variable has a value that cannot be used.
        """
        try:
            return cls()
        except ValidationError as error:
            first = error.errors()[0]
            name = "MCP_RAG_" + "_".join(str(part) for part in first["loc"]).upper()
            raise InvalidSettings(f"{name}: {first['msg'].removeprefix('Value error, ')}.") from None

    @property
    def chosen_health_port(self) -> int:
        """The port for probes that somebody has chosen; 0 where nobody has: only `serve` has one unasked."""
        return self.health_port if "health_port" in self.model_fields_set else 0

    @property
    def embedded_data_dir(self) -> Path:
        return self.data_dir or Path(platformdirs.user_data_dir("mcp-rag", appauthor=False))
