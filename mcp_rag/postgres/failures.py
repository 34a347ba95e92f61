"""Where the driver's errors become ours, and nowhere else."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from mcp_rag import errors

_GONE = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
    # There are servers, and none that may be written to: a standby has not taken over yet.
    asyncpg.TargetServerAttributeNotMatched,
)
_OUTDATED = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.UndefinedFunctionError)


@contextmanager
def translated() -> Iterator[None]:
    """Run database work; what the driver raises leaves as an error of `mcp_rag.errors`."""
    try:
        yield
    except _OUTDATED as error:
        raise errors.SchemaOutdated from error
    except (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError) as error:
        raise errors.InvalidContent from error
    except TimeoutError as error:
        raise errors.StoreUnavailable("The database did not answer in time.") from error
    except asyncpg.InterfaceError as error:
        # Also the driver's word for a wrong call, which is a defect of ours and must look like one.
        if "clos" not in str(error):
            raise
        raise errors.StoreUnavailable from error
    except _GONE as error:
        raise errors.StoreUnavailable(f"The database cannot be reached ({_brief(error)}).") from error
    except asyncpg.PostgresError as error:
        raise errors.StoreError(f"The database refused the work ({_brief(error)}).") from error


def _brief(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
