"""The simulated ESP as a process of its own, and over TLS."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import re
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from entrypoints.simulated_esp import EspSettings, SimulatedEsp, Sink
from tests.support import eventually, free_port

ROOT = Path(__file__).resolve().parents[2]
ONE = {"to": "p@x.example", "mid": "m-1"}


@asynccontextmanager
async def simulator(*flags: str) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """Run the command on a free port; yield its URL and the process, which ends with the test."""
    process = await run(*flags, "--port", "0")
    try:
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        listening = re.fullmatch(r"simulated ESP listens on (https?://127\.0\.0\.1:\d+)\n", line)
        assert listening is not None, line
        yield listening[1], process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def run(*flags: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "entrypoints.simulated_esp",
        *flags,
        cwd=ROOT,
        env={"PYTHONWARNINGS": "error", "NO_COLOR": "1", "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_a_process_takes_messages_posts_what_waits_on_sigterm_and_exits_0() -> None:
    received: list[dict[str, Any]] = []

    async def receive(request: web.BaseRequest) -> web.Response:
        received.append(await request.json())
        return web.Response()

    runner = web.ServerRunner(web.Server(receive))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    flags = ("--callback-url", f"http://127.0.0.1:{site.port}/cb", "--callback-delay", "3600")
    async with simulator(*flags, "--seed", "3", "--delay", "0-0.01") as (url, process):
        async with aiohttp.ClientSession() as client:
            async with client.post(url, json={"to": "click@x.example", "mid": "m"}) as response:
                assert response.status == 200
            assert received == []
        process.send_signal(signal.SIGTERM)
        out, err = await process.communicate()
    await runner.cleanup()

    types = [event["type"] for body in received for event in body["events"]["success"]]
    assert types == ["delivered", "clicked"]
    assert (process.returncode, err) == (0, b"")
    assert out == (
        b"stopped: 1 requests, 1 messages accepted, 2 callback events acknowledged, 0 left\n"
    )


async def test_an_interrupt_ends_it_in_order_too() -> None:
    async with simulator("--sink") as (_, process):
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()

    assert (process.returncode, err) == (0, b"")


async def test_a_second_signal_ends_it_at_once() -> None:
    nobody = f"http://127.0.0.1:{free_port()}/"
    flags = ("--callback-url", nobody, "--callback-attempts", "100000", "--flush-seconds", "3600")
    async with simulator(*flags) as (url, process):
        async with aiohttp.ClientSession() as client, client.post(url, json=ONE) as response:
            assert response.status == 200
        process.send_signal(signal.SIGTERM)
        await eventually(lambda: refuses_connections(url))
        process.send_signal(signal.SIGTERM)
        out, err = await process.communicate()

    assert out.endswith(b"0 callback events acknowledged, 1 left\n")
    assert (process.returncode, err) == (0, b"")


async def refuses_connections(url: str) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


async def test_every_flag_reaches_the_behaviour() -> None:
    flags = """--idempotent --seed 9 --delay 0.1-0.2 --throttle 0.01 --retry-after 3
        --client-errors 0.02 --client-error-status 404 --server-errors 0.03
        --server-error-status 500 --drop 0.04 --lose-answers 0.05 --garbage 0.06 --drip 0.07
        --drip-seconds 0.5 --reject 0.08 --refuse a@x.example --refuse b@x.example
        --refusal-status 400 --partial --no-address-rules --callback-url http://127.0.0.1:1/
        --delivered 0.5 --hard-bounce 0.1 --soft-bounce 0.2 --unsubscribed 0.3 --spam 0.4
        --clicked 0.6 --duplicate-callbacks 0.7 --callback-batch 8 --callback-delay 9
        --callback-attempts 10 --callback-backlog 11"""
    async with (
        simulator(*flags.split()) as (url, _),
        aiohttp.ClientSession() as client,
        client.get(f"{url}/_simulator/behaviour") as response,
    ):
        shown = await response.json()

    assert shown == {
        "faults": {
            "delay": {"low": 0.1, "high": 0.2},
            "throttle": 0.01,
            "retry_after": 3,
            "client_errors": 0.02,
            "client_error_status": 404,
            "server_errors": 0.03,
            "server_error_status": 500,
            "drop": 0.04,
            "lose_answers": 0.05,
            "garbage": 0.06,
            "drip": 0.07,
            "drip_seconds": 0.5,
            "reject": 0.08,
            "refuse": ["a@x.example", "b@x.example"],
            "refusal_status": 400,
            "partial": True,
        },
        "callbacks": {
            "url": "http://127.0.0.1:1/",
            "delivered": 0.5,
            "hard_bounce": 0.1,
            "soft_bounce": 0.2,
            "unsubscribed": 0.3,
            "spam": 0.4,
            "clicked": 0.6,
            "duplicates": 0.7,
            "batch": 8,
            "delay": 9.0,
            "attempts": 10,
            "backlog": 11,
        },
        "idempotent": True,
        "address_rules": False,
        "seed": 9,
    }


@pytest.mark.parametrize(
    ("flags", "code", "reason"),
    [
        (("--throttle", "2"), 2, "faults.throttle is 2.0: a share lies between 0 and 1"),
        (("--delay", "soon"), 2, "delay is 'soon': give seconds, or a range such as 0.1-0.5"),
        (("--require-basic", "hunter2"), 2, "require_basic must be USER:PASSWORD"),
        (("--tls-cert", __file__), 2, "tls_cert and tls_key go together"),
        (("--tls-cert", __file__, "--tls-key", __file__), 1, "certificate and key do not fit"),
        (("--callback-url", "here"), 2, "callbacks.url must be like http://127.0.0.1:8080/path"),
    ],
)
async def test_a_wrong_flag_stops_the_start_and_says_which(
    flags: tuple[str, ...], code: int, reason: str
) -> None:
    process = await run(*flags, "--port", "0")
    out, err = await process.communicate()

    assert reason in " ".join(err.decode().split())
    assert b"hunter2" not in out + err
    assert process.returncode == code


async def test_a_port_that_is_taken_is_told_with_the_way_out() -> None:
    async with Sink() as sink:
        process = await run("--port", sink.url.rsplit(":", 1)[1])
        _, err = await process.communicate()

    assert process.returncode == 1
    assert b"address already in use. Choose another --port; 0 picks a free one." in err


def certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for 127.0.0.1, signed by its own key; return the paths of both."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(alternative, critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = folder / "cert.pem", folder / "key.pem"
    cert_path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert_path, key_path


@pytest.mark.parametrize("server", [SimulatedEsp, Sink])
async def test_it_serves_over_tls(server: type[SimulatedEsp | Sink], tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    trusting = ssl.create_default_context(cafile=str(cert))
    async with (
        server(EspSettings(tls_cert=cert, tls_key=key)) as esp,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as client,
        client.post(esp.url, json=ONE) as response,
    ):
        assert esp.url.startswith("https://")
        assert response.status == 200
