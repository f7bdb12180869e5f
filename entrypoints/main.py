"""The command `espalier`."""

from __future__ import annotations

import os

# gRPC's C core writes lines of a format of its own to standard error, between the JSON of the logs
# and what commands say: a note at every start of a process, an address that is taken. What matters
# of it comes as an error of Python's as well. It reads this once, when it is imported.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
# Its handlers for fork() crash the child that a dispatcher is about to be made of, now and then,
# while calls are under way. Nothing here speaks gRPC in a child without starting anew.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import typer

from entrypoints.cli import callbacks, campaign, events, provider, suppressions
from entrypoints.cli.send import send
from entrypoints.demo.command import demo
from entrypoints.serve.command import dispatch, receive, serve
from entrypoints.simulated_esp.command import simulate_esp

_HELP = """Send email campaigns through any HTTP email provider, and follow what becomes of them.

A first use, once `espalier serve` runs in another terminal:

```
espalier provider apply acme.yaml       # describe the provider, once
espalier provider test acme --to you@example.com
espalier send --provider acme --recipients people.csv \\
    --subject 'Hello $$name' --html body.html --watch
espalier events tail                    # what becomes of the messages
```

Without a provider, `espalier simulate-esp` plays one; `espalier demo` shows it all at once.
Every command has `--help` of its own, and those that read have `--json`.
"""

app = typer.Typer(
    name="espalier",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # They may hold secrets.
    rich_markup_mode="markdown",
    help=_HELP,
)
app.command("demo")(demo)
app.command("serve")(serve)
app.command("dispatch", hidden=True)(dispatch)
app.command("receive", hidden=True)(receive)
app.add_typer(provider.app, name="provider")
app.command("send")(send)
app.add_typer(campaign.app, name="campaign")
app.add_typer(events.app, name="events")
app.add_typer(callbacks.app, name="callbacks")
app.add_typer(suppressions.app, name="suppressions")
app.command("simulate-esp")(simulate_esp)


def main() -> None:
    """Run the command with the process's arguments."""
    app()


if __name__ == "__main__":
    main()
