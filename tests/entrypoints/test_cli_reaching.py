"""Commands and a service that does not listen: not yet, or not at all."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import typer

from entrypoints.cli.client import Client, run
from espalier.v1 import campaign_pb2, provider_pb2
from tests.entrypoints.cli_server import serving


class _Services:
    def ListProviders(
        self, request: provider_pb2.ListProvidersRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ListProvidersResponse:
        return provider_pb2.ListProvidersResponse(
            providers=[provider_pb2.Provider(nickname="acme")]
        )

    def SendCampaignStream(
        self,
        requests: Iterator[campaign_pb2.SendCampaignStreamRequest],
        context: grpc.ServicerContext,
    ) -> campaign_pb2.SendCampaignStreamResponse:
        people = [p for request in requests for p in request.recipients.recipients]
        counts = campaign_pb2.MessageCounts(total=len(people))
        return campaign_pb2.SendCampaignStreamResponse(
            campaign=campaign_pb2.Campaign(campaign_id="7", counts=counts)
        )


def _send(folder: Path) -> list[str]:
    people = folder / "people.csv"
    people.write_text("email\na@x.example\n")
    return ["send", "--provider", "acme", "--recipients", str(people), "--subject", "Hi"]


@pytest.mark.parametrize("command", ["provider list", "send"])
def test_a_service_that_is_just_starting_is_waited_for(tmp_path: Path, command: str) -> None:
    arguments = _send(tmp_path) if command == "send" else command.split()
    with socket.socket() as reserved:
        # Bound and not listening: nobody answers there, and nobody else can take the port.
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-m", "entrypoints.main", *arguments],
            env={**os.environ, "ESPALIER_ADDRESS": f"127.0.0.1:{port}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        first = process.stderr.readline()
    with serving(providers=_Services(), campaigns=_Services(), port=port):
        out, err = process.communicate(timeout=60)
    assert first.startswith(f"Nobody listens at 127.0.0.1:{port} yet. Trying for 10 s")
    assert (process.returncode, err) == (0, "")
    assert "acme" in out or "Recipients         1" in out


def test_a_service_that_stays_away_is_told_with_the_way_to_start_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def work(client: Client) -> None:
        await client.providers.ListProviders(provider_pb2.ListProvidersRequest())

    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{reserved.getsockname()[1]}"
        with pytest.raises(typer.Exit) as caught:
            run(address, work, patience=1.5)
    assert caught.value.exit_code == 5
    waiting, *said = capsys.readouterr().err.splitlines()
    assert waiting.startswith(f"Nobody listens at {address} yet. Trying for 1.5 s")
    assert said[0].startswith("Unavailable: ")
    assert said[1].startswith(
        f"Is the service running at {address}? Start it with `espalier serve`"
    )
