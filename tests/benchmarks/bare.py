"""The floor of callbacks: aiohttp on uvloop, which reads a body, stores nothing and says so.

Runs in a process of its own, as `python -m tests.benchmarks.bare PORT`; several share a port.
Each says when it is ready.
"""

import asyncio
import sys

import uvloop
from aiohttp import web

_ANSWER = b'{"TOTAL_EVENTS":1,"PROCESSED_EVENTS":1,"UNPROCESSED_EVENTS":[]}'


async def post(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(body=_ANSWER, content_type="application/json", charset="utf-8")


async def serve(port: int) -> None:
    app = web.Application()
    app.router.add_post("/callbacks/{token}", post)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, reuse_port=True).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
