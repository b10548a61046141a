"""The app of the service, wired together: parts, routes, and what stands before them."""

from __future__ import annotations

import asyncio
import errno
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from pixmill.errors import ItemError, OutputError
from pixmill.fetch.poster import Poster
from pixmill.ingest.retention import forget_old
from pixmill.jobs.common_place import open_common_place
from pixmill.jobs.executor import Executor
from pixmill.jobs.expiry import Expiry
from pixmill.jobs.list_orders import KINDS
from pixmill.jobs.lists import ListRunner
from pixmill.jobs.operations import KIND, OperationsRunner
from pixmill.store import catalog_stands, open_results, where
from pixmill.web.armor import Armor
from pixmill.web.auth import Credentials
from pixmill.web.bodies import MULTIPART_BYTES, BodyLimits
from pixmill.web.cluster_watch import Watch, workers_told
from pixmill.web.depot import Depot
from pixmill.web.engine import Engine
from pixmill.web.errors import ApiError, error_response, no_room, overloaded
from pixmill.web.following import Following
from pixmill.web.gate import Gate
from pixmill.web.heads import HeadAsGet
from pixmill.web.list_requests import Incoming
from pixmill.web.openapi import describe
from pixmill.web.page_errors import PageErrors
from pixmill.web.pages import STATIC_FOLDER, Assets, Pages
from pixmill.web.proxies import TrustedProxies
from pixmill.web.quotas import Quotas
from pixmill.web.rendering import Rendering
from pixmill.web.renders import Renders
from pixmill.web.routes import (
    batches,
    cluster,
    colors,
    console,
    gallery,
    grey,
    health,
    images,
    jobs,
    keys,
    lists,
    match,
    monitoring,
    palettes,
    redrive,
    render,
    sign_in,
)
from pixmill.web.services import Services
from pixmill.web.shelf import Shelf
from pixmill.web.signatures import Signatures
from pixmill.web.store_calls import StoreCalls
from pixmill.web.webhooks import WebhookSender, webhook_options
from pixmill.web.words import refusal_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from pixmill.jobs.executor import Runner
    from pixmill.settings import Settings
    from pixmill.store import Archive, Catalog
    from pixmill.web.access import Log
    from pixmill.web.metrics import Metrics

# In the order of the document; requests go through them with `grey` first, which is in a hurry.
_SUBJECTS = (
    match, colors, palettes, images, grey, render, lists, jobs, redrive, monitoring, cluster,
    keys, console, gallery, batches, sign_in, health,
)  # fmt: skip
_UPLOADS = (
    "/colours/match", "/colors/match", "/colors/top", "/colors/dominant", "/console/look",
    "/images",
)  # fmt: skip
_PALETTE_BYTES = 16 * 2**20  # some 150,000 colors
_RETRY_AFTER_S = 10
_LOOK_UP_S = 5.0
_PATIENCE_S = 5.0  # with jobs at work, when the service ends
# FastAPI's own spans tell paths and queries, and in these are URLs of users, and signatures.
_NO_TELEMETRY: Any = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}


def create_app(
    settings: Settings, catalog: Catalog, archive: Archive, log: Log, metrics: Metrics
) -> FastAPI:
    """Make the app; its pool and fetcher live from startup to shutdown."""
    ask_catalog, ask_archive = StoreCalls("catalog"), StoreCalls("archive")
    # Few, and not for long: the requests of a crowd wait for one call that looks up their key.
    look_up = StoreCalls("catalog", threads=2, patience_s=_LOOK_UP_S)
    credentials, quotas = Credentials(catalog, look_up), Quotas(settings)
    upload_bytes = settings.max_bytes + MULTIPART_BYTES
    limits = BodyLimits(
        by_path={**dict.fromkeys(_UPLOADS, upload_bytes), "/jobs": settings.max_list},
        by_prefix={"/palettes/": _PALETTE_BYTES},
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            engine = await stack.enter_async_context(Engine.open(settings, metrics))
            depot = Depot(archive, ask_archive, engine, settings)
            poster = await stack.enter_async_context(Poster(webhook_options(settings)))
            sender = WebhookSender(catalog, poster, log, metrics)
            await stack.enter_async_context(sender.at_work())
            if settings.broker is None:
                results = open_results(where(settings).blobs, settings.data)
            else:
                results = open_common_place(settings, catalog)
            loop = asyncio.get_running_loop()
            rendering = Rendering(engine, depot.originals, results.spool, loop)
            shared = engine.shared(settings.jobs)
            lists = ListRunner(settings, catalog, archive, results, shared, log.error)
            # Apart, so that lists of hours keep no camera waiting.
            kinds: list[Mapping[str, Runner]] = [dict.fromkeys(KINDS, lists)]
            wakes = []
            watch = Watch() if settings.broker else None
            if watch is None:
                kinds.append({KIND: OperationsRunner(rendering.begin, results)})
            else:
                told = workers_told(settings, catalog, log, (metrics.cluster_stands, watch.saw))
                wakes.append(stack.enter_context(told))
            expiry = Expiry(catalog, results)
            jobs = _jobs_at_work(settings, catalog, kinds, expiry, log)
            wakes.append(await stack.enter_async_context(jobs))

            def wake_jobs() -> None:
                for wake in wakes:
                    wake()

            app.state.services = Services(
                ask_catalog=ask_catalog,
                catalog=catalog,
                catalog_stands=partial(catalog_stands, settings.catalog, settings.data),
                credentials=credentials,
                depot=depot,
                engine=engine,
                expiry=expiry,
                following=Following(catalog.jobs, ask_catalog),
                incoming=Incoming(results.spool, settings.max_list),
                metrics=metrics,
                pages=Pages(has_cluster=watch is not None),
                poster=poster,
                quotas=quotas,
                renders=Renders(settings, metrics, engine, depot.originals, rendering),
                results=results,
                shelf=Shelf(catalog, ask_catalog),
                wake_jobs=wake_jobs,
                watch=watch,
            )
            if settings.keep is not None:
                await stack.enter_async_context(
                    _forgetting(archive.forget, settings.keep, "images", log)
                )
            yield

    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,  # whose target would be a host of the client's choosing
        telemetry=_NO_TELEMETRY,
        lifespan=lifespan,
        middleware=[
            Middleware(TrustedProxies, networks=settings.trusted_proxies),
            Middleware(Armor, log=log, limits=limits, metrics=metrics),
            Middleware(
                Gate,
                credentials=credentials,
                signatures=Signatures(catalog, ask_catalog),
                quotas=quotas,
                public_read=settings.public_read,
            ),
            Middleware(HeadAsGet),
            Middleware(PageErrors),
        ],
        exception_handlers={
            ItemError: _answer_item_error,
            OutputError: _answer_output_error,
            HTTPException: _answer_http_error,
            RequestValidationError: _answer_invalid,
        },
    )
    app.openapi = lambda: describe(app, _routes())  # type: ignore[method-assign]
    app.router.routes.extend(sorted(_routes(), key=lambda route: route not in grey.router.routes))
    app.mount("/static", Assets(directory=STATIC_FOLDER), name="static")
    return app


@asynccontextmanager
async def _jobs_at_work(
    settings: Settings,
    catalog: Catalog,
    kinds: Sequence[Mapping[str, Runner]],
    expiry: Expiry,
    log: Log,
) -> AsyncIterator[Callable[[], None]]:
    """Run jobs until the end of the context, which lets those at work end or hands them back.

    Gives what tells of a new job.
    """

    def wake() -> None:
        for executor in executors:
            executor.wake()

    executors = [
        Executor(
            catalog.jobs,
            runners,
            at_once=settings.jobs,
            told=log.error,
            lease_s=settings.job_lease,
        )
        for runners in kinds
    ]
    for executor in executors:
        executor.start()
    try:
        async with _forgetting(expiry.expire_before, settings.job_keep, "jobs", log):
            yield wake
    finally:
        stops = [asyncio.to_thread(executor.stop, _PATIENCE_S) for executor in executors]
        await asyncio.gather(*stops)


@asynccontextmanager
async def _forgetting(
    forget: Callable[[datetime], int], keep_days: float, what: str, log: Log
) -> AsyncIterator[None]:
    """Drop what is old every hour."""

    def told(result: int | OutputError) -> None:
        if isinstance(result, OutputError):
            log.warning("retention failed", of=what, reason=str(result))
        elif result:
            log.info("retention", of=what, number=result)

    ask = StoreCalls(what, threads=1, patience_s=None)
    task = asyncio.ensure_future(forget_old(lambda before: ask(forget, before), keep_days, told))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _answer_item_error(_: Request, error: Any) -> Response:
    refusal = refusal_of(error)
    if refusal.status >= 500:
        raise error
    return error_response(refusal)


async def _answer_output_error(_: Request, error: Any) -> NoReturn:
    """Answer where this machine lacks room or its catalog, and let the log say why."""
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno in {errno.ENOSPC, errno.EDQUOT}:
        raise no_room(retry_after_s=_RETRY_AFTER_S) from error
    sentence = "The service can not store anything just now"
    raise overloaded(sentence, retry_after_s=_RETRY_AFTER_S) from error


async def _answer_http_error(request: Request, error: Any) -> NoReturn:
    code = "not_found" if error.status_code == 404 else "invalid_request"
    headers = dict(error.headers or {})
    if error.status_code == 405 and (methods := _methods_of(request.url.path)):
        headers["Allow"] = ", ".join(sorted(methods))
    raise ApiError(error.status_code, code, str(error.detail), headers=headers) from error


def _routes() -> list[BaseRoute]:
    return [route for module in _SUBJECTS for route in module.router.routes]


def _methods_of(path: str) -> set[str]:
    """Return the methods of all routes of a path; each route knows its own alone."""
    return {
        method
        for route in _routes()
        if isinstance(route, APIRoute) and route.path_regex.match(path)
        for method in route.methods or ()
    }


async def _answer_invalid(_: Request, error: Any) -> NoReturn:
    names = sorted({str(part["loc"][-1])[:100] for part in error.errors()})
    sentences = [f"Invalid value of {name}" for name in names]
    raise ApiError(400, "invalid_request", *sentences) from error
