"""The HTTP port for machines: is dbguard alive, may traffic come, what do the counters say.

`/healthz` answers while the event loop turns: restart what does not answer. `/readyz` says whether
new clients would be served: the listener is open, the catalog is known, decisions can be recorded.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from dbguard.errors import ConfigurationError
from dbguard.settings import MetricsSettings

from .tasks import spawn


class _Server(uvicorn.Server):
    """Leaves signals to dbguard, which drains on them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def application(
    render: Callable[[], Awaitable[bytes]], not_ready: Callable[[], Awaitable[list[str]]]
) -> Starlette:
    """`render` gives the metrics, `not_ready` why no client should come now, if anything."""

    async def metrics(_: Request) -> Response:
        return Response(await render(), media_type=CONTENT_TYPE_LATEST)

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def ready(_: Request) -> Response:
        reasons = await not_ready()
        status = 503 if reasons else 200
        return JSONResponse({"ready": not reasons, "reasons": reasons}, status_code=status)

    return Starlette(
        routes=[
            Route("/metrics", metrics),
            Route("/healthz", health),
            Route("/readyz", ready),
        ]
    )


@contextlib.asynccontextmanager
async def probes(settings: MetricsSettings | None, app: Starlette) -> AsyncIterator[None]:
    """Serve `app` while the block runs; nothing when there are no settings.

    Raises:
        ConfigurationError: the port cannot be opened.
    """
    if settings is None:
        yield
        return
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        listening = socket.create_server(
            (settings.host, settings.port), family=family, backlog=64, reuse_port=False
        )
    except OSError as error:
        reason = (error.strerror or "cannot be opened").lower()
        raise ConfigurationError(
            f"metrics: {settings.host}:{settings.port} cannot be opened: {reason}",
            hint="Check metrics.host (an address of this machine) and metrics.port.",
        ) from None
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    server = _Server(config)
    serving = spawn(server.serve(sockets=[listening]), "probes")
    try:
        yield
    finally:
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        listening.close()
