"""Every error as `application/problem+json` (RFC 9457); the one place where errors become HTTP statuses."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import Match

from shared.clock import format_instant
from shared.errors import (
    BufferbudgetError,
    Conflict,
    Fault,
    Invalid,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    TooEarly,
    TooLarge,
    TooSlow,
    TryAgain,
    UnsupportedMedia,
)
from shared.personal_keys import PersonErased
from shared.requests import (
    InvalidParameters,
    ParameterPlace,
    RequestModel,
    faults_of,
    parameter_faults,
    parse_request,
    shortened,
)

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 2

STATUS: Final[Mapping[type[BufferbudgetError], tuple[HTTPStatus, str, str]]] = {
    Invalid: (HTTPStatus.BAD_REQUEST, "invalid", "The request has faults"),
    NotAuthenticated: (HTTPStatus.UNAUTHORIZED, "not-authenticated", "A valid token is needed"),
    NotAllowed: (HTTPStatus.FORBIDDEN, "not-allowed", "The token does not allow this"),
    NotFound: (HTTPStatus.NOT_FOUND, "not-found", "There is no such thing"),
    Conflict: (HTTPStatus.CONFLICT, "conflict", "The request contradicts what is recorded"),
    PersonErased: (HTTPStatus.NOT_FOUND, "erased", "This person's data has been erased"),
    TooEarly: (HTTPStatus.CONFLICT, "too-early", "This can be done later"),
    TooLarge: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", "The body is too large"),
    TooSlow: (HTTPStatus.REQUEST_TIMEOUT, "too-slow", "The body came too slowly"),
    UnsupportedMedia: (
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "unsupported-media",
        "This content type is not read",
    ),
    TryAgain: (HTTPStatus.SERVICE_UNAVAILABLE, "try-again", "A part is away for a moment"),
}
"""Error -> status, last part of the problem's type, title. What is not here is a fault of ours: 500."""

_FRAMEWORK: Final[Mapping[int, tuple[str, str, str]]] = {
    404: ("not-found", "There is no such thing", "there is no such path; paths have no slash at their end"),
    405: ("method-not-allowed", "This method is not offered here", "see the header Allow"),
    413: ("too-large", "The body is too large", "the body is larger than this call reads"),
    415: ("unsupported-media", "This content type is not read", "see the API document"),
}


def problem(
    status: int,
    kind: str,
    title: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    **members: object,
) -> Response:
    """One problem as a response; members that are None are left out."""
    body = {
        "type": f"urn:bufferbudget:problem:{kind}",
        "title": title,
        "status": int(status),
        "detail": detail,
        **{name: value for name, value in members.items() if value is not None},
    }
    content = json.dumps(body, ensure_ascii=False).encode()
    return Response(content, status_code=int(status), headers=dict(headers or {}), media_type=MEDIA_TYPE)


def problem_of(error: BufferbudgetError) -> Response | None:
    """The answer to one of our own errors; None when it is no fault of the caller (then it is a 500)."""
    row = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), None)
    if row is None:
        return None
    status, kind, title = row
    headers: dict[str, str] = {}
    members: dict[str, object] = {}
    detail = error.detail
    if isinstance(error, Invalid):
        place = error.place if isinstance(error, InvalidParameters) else "body"
        members["errors"] = _errors(shortened(error.faults), place)
        detail = _counted(len(error.faults))
    elif isinstance(error, NotFound) and error.faults:
        members["errors"] = _errors(error.faults, "body")
    elif isinstance(error, NotAuthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="bufferbudget"'
    elif isinstance(error, TooSlow):
        headers["Connection"] = "close"
    elif isinstance(error, TooEarly) and error.available_from is not None:
        members["availableFrom"] = format_instant(error.available_from)
    elif isinstance(error, TryAgain):
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        detail = "database or event bus does not answer for the moment; send the request again"
    return problem(status, kind, title, detail, headers, **members)


def internal_error(error_id: str) -> Response:
    """The answer to a fault of ours: tells nothing but the id under which the log has more."""
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal",
        "Something went wrong on our side",
        f"the operators find more in their log under {error_id}",
        errorId=error_id,
    )


def install(app: FastAPI) -> None:
    """Make an application answer every error as a problem."""
    app.add_exception_handler(BufferbudgetError, _ours)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(HTTPException, _frameworks)


async def _ours(_: Request, error: Exception) -> Response:
    assert isinstance(error, BufferbudgetError)
    answer = problem_of(error)
    if answer is None:
        raise error
    return answer


async def _unreadable(request: Request, error: Exception) -> Response:
    """Faults of body, path, query and headers in one answer, cross-field faults of the body too."""
    assert isinstance(error, RequestValidationError)
    errors: list[dict[str, str]] = []
    number = 0
    for place in ("path", "query", "header", "cookie", "body"):
        found = [fault for fault in error.errors() if fault["loc"][0] == place]
        unknown: Sequence[Fault] = getattr(request.state, "unknown_parameters", ())
        if not found and not (place == "query" and unknown):
            continue
        if place == "body":
            faults = _body_faults(request, error.body, found)
        else:
            faults = parameter_faults([_relocated(fault) for fault in found])
        if place == "query":
            faults = [*faults, *unknown]
        errors += _errors(shortened(faults), place)
        number += len(faults)
    status, kind, title = STATUS[Invalid]
    return problem(status, kind, title, _counted(number), errors=errors)


def _body_faults(request: Request, body: Any, found: Sequence[Mapping[str, Any]]) -> Sequence[Fault]:
    if body is None:
        return [Fault("G011", "", "a JSON body is required")]
    route = request.scope.get("route")
    field = route.body_field if isinstance(route, APIRoute) else None
    model = field.field_info.annotation if field is not None else None
    if isinstance(model, type) and issubclass(model, RequestModel):
        try:
            parse_request(model, body)
        except Invalid as invalid:
            return invalid.faults
    return faults_of([_relocated(fault) for fault in found], body)


def _relocated(fault: Mapping[str, Any]) -> dict[str, Any]:
    return {**fault, "loc": tuple(fault["loc"][1:])}


async def _frameworks(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(allowed_methods(request))
    known = _FRAMEWORK.get(error.status_code)
    if known is None:
        phrase = HTTPStatus(error.status_code).phrase
        return problem(error.status_code, "refused", phrase, str(error.detail), headers)
    kind, title, detail = known
    return problem(error.status_code, kind, title, detail, headers)


def allowed_methods(request: Request) -> list[str]:
    """The methods that this path offers, over all routes; one written just so goes before a pattern, whose
    identifier it could never be."""
    matching = [r for r in request.app.routes if r.matches(dict(request.scope))[0] is not Match.NONE]
    literal = [route for route in matching if getattr(route, "path", None) == request.url.path]
    offered = [getattr(route, "methods", None) or set() for route in literal or matching]
    return sorted({method for methods in offered for method in methods})


def _counted(faults: int) -> str:
    return "1 fault, see errors" if faults == 1 else f"{faults} faults, see errors"


def _errors(faults: Sequence[Fault], place: ParameterPlace | str) -> list[dict[str, str]]:
    return [
        {"rule": fault.rule, "pointer": fault.pointer, "detail": fault.detail, "in": place}
        for fault in faults
    ]
