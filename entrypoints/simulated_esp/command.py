"""The command `simulate-esp`.

Every use of `espalier` imports this module; the servers are imported when one of them runs.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import typer

from entrypoints.simulated_esp import callback_options as cb
from entrypoints.simulated_esp import options as opt
from entrypoints.simulated_esp.behaviour import Behaviour, BehaviourError, Callbacks, Faults, Span
from entrypoints.simulated_esp.payload import DEFAULT_META_KEYS, DEFAULT_TO_KEYS
from entrypoints.simulated_esp.run import Service, run_until_signalled
from entrypoints.simulated_esp.settings import DEFAULT_MAX_BODY, EspSettings

_FAULTS = Faults()
_CALLBACKS = Callbacks()
_SETTINGS = EspSettings()
_DEFAULT_PORT = 8025

Params = Mapping[str, Any]


def simulate_esp(
    context: typer.Context,
    host: opt.Host = _SETTINGS.host,
    port: opt.Port = _DEFAULT_PORT,
    tls_cert: opt.TlsCert = None,
    tls_key: opt.TlsKey = None,
    require_basic: opt.RequireBasic = "",
    sink: opt.Sink = False,
    meta_key: opt.MetaKey = None,
    to_key: opt.ToKey = None,
    idempotent: opt.Idempotent = False,
    idempotency_header: opt.IdempotencyHeader = _SETTINGS.idempotency_header,
    max_body: opt.MaxBody = DEFAULT_MAX_BODY,
    keep: opt.Keep = _SETTINGS.keep,
    seed: opt.Seed = 0,
    delay: opt.Delay = "0",
    throttle: opt.Throttle = 0.0,
    retry_after: opt.RetryAfter = _FAULTS.retry_after,
    client_errors: opt.ClientErrors = 0.0,
    client_error_status: opt.ClientErrorStatus = _FAULTS.client_error_status,
    server_errors: opt.ServerErrors = 0.0,
    server_error_status: opt.ServerErrorStatus = _FAULTS.server_error_status,
    drop: opt.Drop = 0.0,
    lose_answers: opt.LoseAnswers = 0.0,
    garbage: opt.Garbage = 0.0,
    drip: opt.Drip = 0.0,
    drip_seconds: opt.DripSeconds = _FAULTS.drip_seconds,
    reject: opt.Reject = 0.0,
    refuse: opt.Refuse = None,
    refusal_status: opt.RefusalStatus = _FAULTS.refusal_status,
    partial: opt.Partial = False,
    address_rules: opt.AddressRules = True,
    callback_url: cb.CallbackUrl = "",
    delivered: cb.Delivered = _CALLBACKS.delivered,
    hard_bounce: cb.HardBounce = _CALLBACKS.hard_bounce,
    soft_bounce: cb.SoftBounce = _CALLBACKS.soft_bounce,
    unsubscribed: cb.Unsubscribed = _CALLBACKS.unsubscribed,
    spam: cb.Spam = _CALLBACKS.spam,
    clicked: cb.Clicked = _CALLBACKS.clicked,
    duplicate_callbacks: cb.DuplicateCallbacks = 0.0,
    callback_batch: cb.CallbackBatch = _CALLBACKS.batch,
    callback_delay: cb.CallbackDelay = 0.0,
    callback_attempts: cb.CallbackAttempts = _CALLBACKS.attempts,
    callback_backlog: cb.CallbackBacklog = _CALLBACKS.backlog,
    flush_seconds: cb.FlushSeconds = _SETTINGS.flush_seconds,
) -> None:
    """Play an email service provider: a server to send campaigns to.

    It takes POST and GET on any path, single messages and batches in any
    JSON shape, counts what it accepts, and posts callbacks back.

    It goes wrong as often as the flags say (a SHARE is from 0 to 1), or for
    a single request as its X-Simulate header says, for example
    "status=503; retry-after=2; times=1", "delay=0.5", "drop", "drop=after",
    "garbage", "drip=1" or "fail=a@example.com".

    GET /_simulator/counts tells the counts. What came in is shown by
    /_simulator/messages?meta=ID and /_simulator/requests?last=N.
    PUT /_simulator/behaviour changes the flags while it runs, as in
    {"faults": {"throttle": 0.1}, "callbacks": {"url": "http://..."}};
    GET shows them all. POST /_simulator/reset starts the counts anew.

    SIGTERM or Ctrl-C ends it, once the callbacks that wait are posted.
    Exit codes: 0 stopped as told, 1 could not start, 2 a flag is wrong.
    """
    # The parameters above declare the flags; the context holds their values by name.
    try:
        service = _service(context.params)
    except BehaviourError as error:
        raise typer.BadParameter(str(error)) from error
    _run(service, f"{host}:{port}")


def _service(params: Params) -> Service:
    from entrypoints.simulated_esp.server import SimulatedEsp
    from entrypoints.simulated_esp.sink import Sink

    settings = _settings(params)
    return Sink(settings) if params["sink"] else SimulatedEsp(settings, _behaviour(params))


def _settings(params: Params) -> EspSettings:
    same = ("host", "port", "tls_cert", "tls_key", "idempotency_header", "max_body", "keep")
    return EspSettings(
        **{name: params[name] for name in same},
        basic=params["require_basic"],
        meta_keys=tuple(params["meta_key"] or DEFAULT_META_KEYS),
        to_keys=tuple(params["to_key"] or DEFAULT_TO_KEYS),
        flush_seconds=params["flush_seconds"],
    )


def _behaviour(params: Params) -> Behaviour:
    return Behaviour(
        faults=_faults(params),
        callbacks=_callbacks(params),
        idempotent=params["idempotent"],
        address_rules=params["address_rules"],
        seed=params["seed"],
    )


def _faults(params: Params) -> Faults:
    special = ("delay", "refuse")
    same = [known.name for known in fields(Faults) if known.name not in special]
    return Faults(
        delay=Span.of(params["delay"]),
        refuse=tuple(params["refuse"] or ()),
        **{name: params[name] for name in same},
    )


def _callbacks(params: Params) -> Callbacks:
    shares = ("delivered", "hard_bounce", "soft_bounce", "unsubscribed", "spam", "clicked")
    prefixed = ("url", "batch", "delay", "attempts", "backlog")
    return Callbacks(
        duplicates=params["duplicate_callbacks"],
        **{name: params[name] for name in shares},
        **{name: params[f"callback_{name}"] for name in prefixed},
    )


def _run(service: Service, place: str) -> None:
    import uvloop

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run_until_signalled(service, _say))
    except ssl.SSLError as error:
        _fail(f"the TLS certificate and key do not fit: {error}")
    except OSError as error:
        _fail(f"cannot listen on {place}: {error}. Choose another --port; 0 picks a free one.")


def _say(line: str) -> None:
    typer.echo(line)


def _fail(why: str) -> None:
    typer.echo(f"simulate-esp: {why}", err=True)
    raise typer.Exit(1)
