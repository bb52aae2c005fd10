"""The OpenAPI document (3.1) as the Dutch API Design Rules want it, made from the routes."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic.alias_generators import to_camel

from shared.edge import API_VERSION
from shared.requests import RULES
from shared.settings import Settings
from shared.tokens import Role

_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "description": "An error (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "Kind of problem, stable."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened and what the caller can do."},
        "instance": {"type": "string", "description": "This one occurrence: urn:uuid of the request."},
        "errors": {
            "type": "array",
            "description": "Every fault of the input at once.",
            "items": {"$ref": "#/components/schemas/Fault"},
        },
        "errorId": {"type": "string", "description": "Under which the operators find more in their log."},
        "availableFrom": {"type": "string", "format": "date-time", "description": "When it can be done."},
    },
}
_FAULT: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["rule", "pointer", "detail", "in"],
    "properties": {
        "rule": {"type": "string", "description": "Stable id of the rule; the description lists them."},
        "pointer": {"type": "string", "description": "JSON pointer, or `/` and the name of a parameter."},
        "detail": {"type": "string"},
        "in": {"type": "string", "enum": ["body", "path", "query", "header", "cookie"]},
    },
}
_HEADERS: Final = {
    "API-Version": {
        "description": "Full version of this API.",
        "schema": {"type": "string"},
        "example": API_VERSION,
    }
}
_TITLES: Final[Mapping[int, str]] = {
    400: "The request has faults; all are listed.",
    401: "No valid token.",
    403: "The token does not allow this.",
    404: "There is no such thing, or it is not the caller's.",
    408: "The body came too slowly; send it again.",
    409: "Contradicts what is recorded, or can be done later.",
    413: "The body is too large.",
    415: "The content type is not read here.",
    500: "Something went wrong on our side.",
    503: "A part is away for a moment; try again.",
}
_IDEMPOTENCY_KEY: Final[dict[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Under the same key nothing is done twice: same input, same answer; other input, 409.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


def document(app: FastAPI, settings: Settings, rules: Mapping[str, str]) -> dict[str, Any]:
    """The document of all routes of an application. Raises ValueError for two operations of one name."""
    routes = [route for route in app.routes if isinstance(route, APIRoute) and route.include_in_schema]
    for route in routes:
        route.operation_id = route.operation_id or to_camel(route.name)
    made = get_openapi(
        title="bufferbudget",
        version=API_VERSION,
        summary="A buffer for people on bijstand whose wages differ each month.",
        description=_description({**RULES, **rules}),
        routes=routes,
        servers=[{"url": _server(settings), "description": "this installation"}],
        contact={
            "name": "bufferbudget",
            "email": settings.contact_email,
            "url": settings.contact_url,
        },
        # Whoever owns the product has to choose one; until then nobody else may copy it.
        license_info={"name": "No licence granted yet"},
        tags=[{"name": tag} for tag in _tags(routes)],
    )
    made["paths"] = {path.removeprefix("/v1") or "/": item for path, item in made["paths"].items()}
    made["paths"]["/openapi.json"] = {"get": _document_operation()}
    by_id = {str(route.operation_id): route for route in routes}
    names = [operation["operationId"] for _, _, operation in operations(made)]
    if len(set(names)) != len(names):
        raise ValueError(f"operations of one name: {sorted({n for n in names if names.count(n) > 1})}")
    for path, method, operation in operations(made):
        _complete(operation, path, method, by_id.get(operation["operationId"]))
    _complete_components(made)
    return made


def operations(made: Mapping[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Every operation of a document: path, method, operation."""
    return [
        (path, method, operation)
        for path, item in made["paths"].items()
        for method, operation in item.items()
        if method in {"get", "put", "post", "delete", "patch"}
    ]


def serving(make: Callable[[], Mapping[str, Any]]) -> Callable[[Request], Awaitable[Response]]:
    """The route that gives the document. It is made when it is first asked for, beside the event loop: making
    it takes longer than anything else at the start of a service."""

    @cache
    def content() -> bytes:
        return json.dumps(make(), ensure_ascii=False).encode()

    async def openapi_document(_: Request) -> Response:
        return Response(await asyncio.to_thread(content), media_type="application/json")

    return openapi_document


def _complete(operation: dict[str, Any], path: str, method: str, route: APIRoute | None) -> None:
    responses: dict[str, Any] = operation["responses"]
    responses.pop("422", None)
    statuses = [500, 503]
    if route is not None:
        operation["security"] = [{"bearer": []}]
        roles = getattr(getattr(route, "allowed", None), "roles", ())
        operation["x-roles"] = [Role(role).value for role in roles]
        statuses += [401, 403]
        statuses.append(400)  # a parameter that the call does not know, if nothing else
    if "{" in path:
        statuses.append(404)
    if method in {"post", "put"}:
        statuses.append(409)
        operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
    if "requestBody" in operation:
        statuses += [408, 413, 415]
    for status in statuses:
        responses.setdefault(str(status), {"$ref": f"#/components/responses/Problem{status}"})
    for code, response in responses.items():
        if "$ref" not in response:
            response["headers"] = {**response.get("headers", {}), **_HEADERS}
            if code.startswith(("4", "5")):
                response["content"] = _problem_content()
    operation["responses"] = dict(sorted(responses.items()))
    operation.pop("x-body-limit", None)


def _complete_components(made: dict[str, Any]) -> None:
    components = made.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas |= {"Problem": _PROBLEM, "Fault": _FAULT}
    components["schemas"] = {_pascal(name): schema for name, schema in sorted(schemas.items())}
    components["responses"] = {
        f"Problem{status}": {"description": title, "headers": _HEADERS, "content": _problem_content()}
        for status, title in _TITLES.items()
    }
    components["securitySchemes"] = {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "A token with a role, scopes and one municipality or one fund. `x-roles` at each "
            "operation names the roles; the scope is `<service>:read` for GET and `<service>:write` else.",
        }
    }
    renamed = {name: _pascal(name) for name in schemas if name != _pascal(name)}
    if renamed:
        _rename_references(
            made, {f"#/components/schemas/{a}": f"#/components/schemas/{b}" for a, b in renamed.items()}
        )


def _rename_references(node: Any, names: Mapping[str, str]) -> None:
    if isinstance(node, dict):
        if node.get("$ref") in names:
            node["$ref"] = names[node["$ref"]]
        for value in node.values():
            _rename_references(value, names)
    elif isinstance(node, list):
        for value in node:
            _rename_references(value, names)


def _pascal(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", name))


def _problem_content() -> dict[str, Any]:
    return {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def _document_operation() -> dict[str, Any]:
    return {
        "operationId": "openapiDocument",
        "summary": "This document",
        "description": "Readable without a token and from any origin.",
        "tags": ["document"],
        "security": [],
        "responses": {
            "200": {
                "description": "The OpenAPI document.",
                "headers": {
                    "Access-Control-Allow-Origin": {"description": "`*`", "schema": {"type": "string"}},
                },
                "content": {"application/json": {"schema": {"type": "object"}}},
            }
        },
    }


def _server(settings: Settings) -> str:
    """Relative unless the address is known: the same document then holds behind every proxy."""
    return f"{settings.public_url.rstrip('/')}/v1" if settings.public_url else "/v1"


def _tags(routes: list[APIRoute]) -> list[str]:
    return sorted({str(tag) for route in routes for tag in route.tags} | {"document"})


def _description(rules: Mapping[str, str]) -> str:
    rows = "\n".join(f"| {rule} | {text} |" for rule, text in sorted(rules.items()))
    return (
        "Wage slips in, a ledger that smooths months from a buffer, messages to residents.\n\n"
        "Money is whole cents, shares are decimal strings, months `YYYY-MM` in Amsterdam, instants UTC. "
        "Requests with unknown members are refused; answers may grow. Every POST and PUT takes an "
        "`Idempotency-Key`. Errors are `application/problem+json` with all faults at once, each with the "
        "id of a rule:\n\n| rule | meaning |\n|---|---|\n" + rows
    )
