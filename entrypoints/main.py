"""The command `espalier`."""

from __future__ import annotations

import typer

from entrypoints.cli import campaign, events, provider, suppressions
from entrypoints.cli.send import send
from entrypoints.serve.command import dispatch, serve
from entrypoints.simulated_esp.command import simulate_esp

app = typer.Typer(
    name="espalier",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # They may hold secrets.
    help=(
        "Send email campaigns through any HTTP email provider, and follow what becomes of them.\n\n"
        "A first use: `espalier provider apply esp.yaml`, then `espalier send --provider NICKNAME "
        "--recipients people.csv --subject Hello --html body.html --watch`."
    ),
)
app.command("serve")(serve)
app.command("dispatch", hidden=True)(dispatch)
app.add_typer(provider.app, name="provider")
app.command("send")(send)
app.add_typer(campaign.app, name="campaign")
app.add_typer(events.app, name="events")
app.add_typer(suppressions.app, name="suppressions")
app.command("simulate-esp")(simulate_esp)


def main() -> None:
    """Run the command with the process's arguments."""
    app()


if __name__ == "__main__":
    main()
