"""The verbs of setting up: demo, install, doctor."""

from pathlib import Path
from typing import Annotated

import typer

from mcp_rag.cli import demo as demonstration
from mcp_rag.cli import doctor as examination
from mcp_rag.cli import install as installation
from mcp_rag.cli import output
from mcp_rag.cli.clients import NAME, Client
from mcp_rag.cli.options import AsJson
from mcp_rag.cli.running import FAILED, read_settings, run


def demo(as_json: AsJson = False) -> None:
    """See it work: conversations in, answers out.

    It runs on examples, in a store of its own that is gone afterwards; yours is not touched.
    """
    shown = run(demonstration.given(read_settings(), aloud=not as_json))
    if as_json:
        output.show_json(shown.model_dump(mode="json"))


def install(
    client: Annotated[Client, typer.Argument(help="Who shall have this memory.")],
    print_only: Annotated[
        bool, typer.Option("--print", help="Only show what belongs into its configuration.")
    ] = False,
    name: Annotated[str, typer.Option(help="What the server is called there.")] = NAME,
    project: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="For this project only, instead of for all that the user does."),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take it out of its configuration again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give this memory to an MCP client.

    It is written into the file where the client keeps its configuration. What else is in there stays as it
    is, comments too; a file that is not understood is left alone, and you are shown what to add. The MCP_RAG_
    settings of this shell go along, except secrets.
    """
    if remove and print_only:
        raise typer.BadParameter("--print and --remove exclude each other.")
    if remove:
        done = installation.remove(client, name=name, project=project)
    else:
        done = installation.install(client, name=name, project=project, write=not print_only)
    for variable in done.left_out:
        output.warn(f"{variable} is secret and was not written: add it to the entry's env by hand.")
    output.show(done, installation.told(done, client), as_json=as_json)


def doctor(as_json: AsJson = False) -> None:
    """See what is wrong, and what to do about it.

    Exits with 1 if something is.
    """
    found = run(examination.examined())
    output.show(found, examination.told(found), as_json=as_json)
    if not found.ok:
        raise typer.Exit(FAILED)
