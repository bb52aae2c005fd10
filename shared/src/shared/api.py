"""The HTTP edge: routers of services become one FastAPI application that keeps the Dutch API Design Rules.

Not mounted and not included but joined: each route stays a plain route of the one application, so that its
template, its roles and its limits can be listed and tested.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, Literal

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.routing import Route
from starlette.types import Message

from shared import openapi, problems
from shared.commands import KeptAnswers
from shared.edge import Edge, EdgeState
from shared.errors import Fault, Invalid, TooLarge, TooSlow, UnsupportedMedia
from shared.requests import InvalidParameters, unknown_parameters
from shared.settings import Settings
from shared.strict_json import strict_json
from shared.tokens import Allow, Role, Verifier

BodyLimit = Literal["body", "batch"]
BATCH: Final = {"x-body-limit": "batch"}
"""`openapi_extra` of a route whose body may be as large as BATCH_MAX_BYTES; such a route reads it raw."""


def known(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route that makes something (201) and answers 200 when it was there already."""
    return {200: {"model": model, "description": "It was known already; nothing is done twice."}}


def made(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route that answers 200 and makes something the first time (201)."""
    return {201: {"model": model, "description": "It was not there before."}}


NO_SUCH: Final[dict[int | str, dict[str, Any]]] = {404: {"description": "What is named does not exist here."}}
"""`responses` of a route whose body or query names something that may not be there; paths with a template
say so by themselves."""


class StrictRequest(Request):
    """A request whose JSON is read strictly: no double members, no NaN, no bottomless nesting."""

    async def json(self) -> Any:
        if not hasattr(self, "_strict_json"):
            self._strict_json = strict_json(await self.body())
        return self._strict_json


class StrictRoute(APIRoute):
    """A route that checks the caller, then the content type, then the size, then the JSON."""

    service: str = ""

    @property
    def allowed(self) -> Allow | None:
        """Who may call it; None when it forgot to say (which makes the application refuse to start)."""
        return _find_allow(self.dependant)

    @property
    def body_limit(self) -> BodyLimit:
        return "batch" if (self.openapi_extra or {}).get("x-body-limit") == "batch" else "body"

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = self._handler(self.dependant)
        allowed = self.allowed
        service = str(self.tags[0]) if self.tags else ""
        self.service = service
        reads_json = self.body_field is not None
        known_queries = sorted(_query_names(self.dependant))
        read_all = self._handler(replace(self.dependant, call=_nothing_else_is_wrong))

        async def strict(request: Request) -> Response:
            if allowed is not None:
                allowed.check(request, area=service)
            limits: Mapping[BodyLimit, tuple[int, float]] = request.app.state.body_limits
            counted = StrictRequest(request.scope, _counted(request, *limits[self.body_limit]))
            if reads_json and await counted.body():
                _must_be_json(request)
                await counted.json()
            if not (unknown := unknown_parameters(request.query_params.keys(), known_queries)):
                return await handle(counted)
            # A misspelt filter filters nothing. What else is wrong comes in the same answer.
            request.state.unknown_parameters = unknown
            try:
                return await read_all(counted)
            except _NothingElseIsWrong:
                raise InvalidParameters("query", unknown) from None

        return strict

    def _handler(self, dependant: Dependant) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What reads the parameters of a request and then makes the call of `dependant`."""
        own, self.dependant = self.dependant, dependant
        try:
            return super().get_route_handler()
        finally:
            self.dependant = own


class ServiceRouter(APIRouter):
    """Routes of one service under /v1, such as `@router.post("/wage-slips")`; each depends on `allow(...)`.

    Absent members are left out of answers. A route that takes a batch reads `request.stream()` itself and
    says `openapi_extra=BATCH` (merged with what else it has).
    """

    def __init__(self, service: str, prefix: str = "/v1") -> None:
        super().__init__(prefix=prefix, tags=[service], redirect_slashes=False, route_class=StrictRoute)
        self.service = service

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().add_api_route(path, endpoint, **{**options, "response_model_exclude_none": True})


def make_app(
    routers: Sequence[ServiceRouter],
    settings: Settings,
    state: EdgeState,
    kept_answers: Mapping[str, KeptAnswers],
    rules: Mapping[str, str],
    health: Mapping[str, Callable[[Request], Awaitable[Response]]] = MappingProxyType({}),
) -> FastAPI:
    """One application of one or several services. Raises ValueError when a route does not name its roles."""
    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Spans of the framework carry whole paths; ours are measured by route template in the edge.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.verifier = Verifier(settings.token_public_path)
    app.state.kept_answers = dict(kept_answers)
    app.state.body_limits = {
        "body": (settings.body_max_bytes, settings.body_seconds),
        "batch": (settings.batch_max_bytes, settings.batch_seconds),
    }
    for router in routers:
        app.router.routes.extend(router.routes)
    _refuse_open_routes(app)
    problems.install(app)
    document = openapi.serving(lambda: openapi.document(app, settings, rules))
    for path, answer in {"/v1/openapi.json": document, **health}.items():
        app.router.routes.append(Route(path, answer, methods=["GET"], include_in_schema=False))
    app.add_middleware(Edge, state=state)
    return app


def routes_and_roles(app: FastAPI) -> list[tuple[str, str, tuple[Role, ...]]]:
    """Every protected route: method, path template and the roles that may call it."""
    return [
        (method, route.path_format, route.allowed.roles)
        for route in app.routes
        if isinstance(route, StrictRoute) and route.allowed is not None
        for method in sorted(route.methods or ())
    ]


def _refuse_open_routes(app: FastAPI) -> None:
    forgotten = [
        getattr(route, "path", str(route))
        for route in app.routes
        if not isinstance(route, StrictRoute) or route.allowed is None
    ]
    if forgotten:
        raise ValueError(f"these routes do not say who may call them: {', '.join(forgotten)}")


def _find_allow(dependant: Dependant) -> Allow | None:
    if isinstance(dependant.call, Allow):
        return dependant.call
    found = (_find_allow(inner) for inner in dependant.dependencies)
    return next((allow for allow in found if allow is not None), None)


class _NothingElseIsWrong(Exception):
    """Every parameter and the body could be read."""


async def _nothing_else_is_wrong(**_: Any) -> None:
    raise _NothingElseIsWrong


def _query_names(dependant: Dependant) -> set[str]:
    inner = (_query_names(each) for each in dependant.dependencies)
    return {field.alias for field in dependant.query_params}.union(*inner)


def _must_be_json(request: Request) -> None:
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json" and not media.endswith("+json"):
        raise UnsupportedMedia("send the body as application/json")


def _counted(request: Request, limit: int, seconds: float) -> Callable[[], Coroutine[Any, Any, Message]]:
    """The request's `receive` that stops at a number of bytes, announced or not, and after some seconds.

    The seconds are for the whole body: a caller that sends a byte now and then is as slow as one that stops.
    """
    try:
        announced = int(request.headers.get("content-length", "0"))
    except ValueError:
        raise Invalid([Fault("G005", "", "Content-Length is not a number")]) from None
    if announced > limit:
        raise TooLarge(f"the body may be {limit} bytes at most")
    seen = 0
    complete = False
    deadline: float | None = None

    async def receive() -> Message:
        nonlocal seen, complete, deadline
        if complete:  # what comes now is the end of the connection, which may take its time
            return await request.receive()
        if deadline is None:
            deadline = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(deadline):
                message = await request.receive()
        except TimeoutError:
            raise TooSlow(f"the body may take {seconds:g} seconds at most") from None
        seen += len(message.get("body", b""))
        complete = not message.get("more_body", False)
        if seen > limit:
            raise TooLarge(f"the body may be {limit} bytes at most")
        return message

    return receive
