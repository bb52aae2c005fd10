"""The Dutch API Design Rules (NLGov ADR 2.x) and this house's own, under their names in the ruleset."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Document = dict[str, Any]
Rule = Callable[[Document], Iterator[str]]
"""Gives a sentence for each place that breaks it."""

CAMEL = re.compile(r"[a-z][a-z0-9]*([A-Z][a-z0-9]*)*")
PASCAL = re.compile(r"[A-Z][A-Za-z0-9]*")
PATH = re.compile(r"(/([a-z0-9]+(-[a-z0-9]+)*|\{[a-z][A-Za-z0-9]*\}))+(/_[a-z]+(-[a-z]+)*)?")
SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?")
PERSONAL = re.compile(r"bsn|iban|name$|holder|email|phone|birth|address|reference", re.IGNORECASE)
METHODS = {"get", "put", "post", "patch", "delete"}
OWN_DOCUMENT = "/openapi.json"


def resolved(document: Document, node: Any) -> Any:
    """A node, or what it refers to."""
    while isinstance(node, dict) and "$ref" in node:
        found: Any = document
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        node = found
    return node


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield path, method, operation


def responses(document: Document) -> Iterator[tuple[str, str, Document]]:
    for path, method, operation in operations(document):
        for status, response in operation["responses"].items():
            yield f"{method.upper()} {path} {status}", status, resolved(document, response)


def parameters(document: Document) -> Iterator[tuple[str, Document]]:
    for path, method, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            yield f"{method.upper()} {path}", resolved(document, parameter)


def members(document: Document) -> Iterator[tuple[str, str, Document]]:
    for name, schema in document["components"]["schemas"].items():
        for member, described in schema.get("properties", {}).items():
            yield f"{name}.{member}", member, described


# ---- the rules --------------------------------------------------------------------------------------------


def openapi_version(document: Document) -> Iterator[str]:
    if not re.fullmatch(r"3\.[01]\.\d+", str(document.get("openapi"))):
        yield "the document is not OpenAPI 3"


def contact(document: Document) -> Iterator[str]:
    for name in ("name", "email", "url"):
        if not document["info"].get("contact", {}).get(name):
            yield f"the contact has no {name}"


def document_is_a_resource(document: Document) -> Iterator[str]:
    if set(document["paths"].get(OWN_DOCUMENT, {})) != {"get"}:
        yield "the document is not offered by GET alone"


def document_readable(document: Document) -> Iterator[str]:
    served = document["paths"].get(OWN_DOCUMENT, {}).get("get", {})
    if "Access-Control-Allow-Origin" not in served.get("responses", {}).get("200", {}).get("headers", {}):
        yield "the document is not readable from every origin"


def major_version_in_server(document: Document) -> Iterator[str]:
    servers = document.get("servers", [])
    if not servers:
        yield "no servers"
    yield from (server["url"] for server in servers if not re.search(r"/v[1-9]\d*$", server["url"]))


def no_plain_http(document: Document) -> Iterator[str]:
    yield from (server["url"] for server in document["servers"] if server["url"].startswith("http://"))


def semantic_version(document: Document) -> Iterator[str]:
    if not SEMVER.fullmatch(document["info"]["version"]):
        yield document["info"]["version"]


def version_header(document: Document) -> Iterator[str]:
    for where, _, response in responses(document):
        if "API-Version" not in response.get("headers", {}):
            yield where


def kebab_case(document: Document) -> Iterator[str]:
    yield from (path for path in document["paths"] if path != OWN_DOCUMENT and not PATH.fullmatch(path))


def plural(document: Document) -> Iterator[str]:
    yield from (path for path in document["paths"] if re.search(r"[a-rt-z0-9]/\{", path))


def query_keys(document: Document) -> Iterator[str]:
    for where, parameter in parameters(document):
        if parameter["in"] in {"query", "path"} and not CAMEL.fullmatch(parameter["name"]):
            yield f"{where}: {parameter['name']}"


def standard_methods(document: Document) -> Iterator[str]:
    allowed = METHODS | {"parameters", "summary", "description", "servers"}
    for path, item in document["paths"].items():
        yield from (f"{method} {path}" for method in item if method not in allowed)


def problems(document: Document) -> Iterator[str]:
    for where, status, response in responses(document):
        if status[0] in "45d":
            content = response.get("content", {})
            schema = resolved(document, content.get("application/problem+json", {}).get("schema", {}))
            if set(content) != {"application/problem+json"}:
                yield f"{where}: {sorted(content)}"
            elif not {"status", "title", "detail"} <= set(schema.get("properties", {})):
                yield f"{where}: the problem lacks status, title or detail"


def bad_input_is_400(document: Document) -> Iterator[str]:
    for path, method, operation in operations(document):
        takes_input = method in {"post", "put", "patch"} or operation.get("parameters")
        if takes_input and "400" not in operation["responses"]:
            yield f"{method.upper()} {path}"


def never_422(document: Document) -> Iterator[str]:
    yield from (where for where, status, _ in responses(document) if status == "422")


def times_have_a_zone(document: Document) -> Iterator[str]:
    for where, _, described in members(document):
        if described.get("format") in {"date-time-local", "time"}:
            yield where


def dates_say_so(document: Document) -> Iterator[str]:
    for where, member, described in members(document):
        forms = [described, *described.get("anyOf", ())]
        if member.endswith("Date") and not any(form.get("format") == "date" for form in forms):
            yield where


def members_camel_case(document: Document) -> Iterator[str]:
    yield from (where for where, member, _ in members(document) if not CAMEL.fullmatch(member))


def schemas_pascal_case(document: Document) -> Iterator[str]:
    yield from (name for name in document["components"]["schemas"] if not PASCAL.fullmatch(name))


def operation_ids(document: Document) -> Iterator[str]:
    named = [operation["operationId"] for _, _, operation in operations(document)]
    yield from (name for name in named if not CAMEL.fullmatch(name) or named.count(name) > 1)


def no_personal_data_in_addresses(document: Document) -> Iterator[str]:
    for where, parameter in parameters(document):
        if parameter["in"] in {"query", "path"} and PERSONAL.search(parameter["name"]):
            yield f"{where}: {parameter['name']}"


def whole_cents(document: Document) -> Iterator[str]:
    for where, member, described in members(document):
        forms = [described, *described.get("anyOf", ())]
        if member.endswith("Cents") and any(form.get("type") in {"number", "string"} for form in forms):
            yield where


def idempotency_key(document: Document) -> Iterator[str]:
    for path, method, operation in operations(document):
        names = {(one["name"], one["in"]) for one in operation.get("parameters", ())}
        if method in {"post", "put"} and ("Idempotency-Key", "header") not in names:
            yield f"{method.upper()} {path}"


def tokens(document: Document) -> Iterator[str]:
    for path, method, operation in operations(document):
        guarded = operation.get("security") == [{"bearer": []}]
        if path != OWN_DOCUMENT and not (guarded and {"401", "403", "500"} <= set(operation["responses"])):
            yield f"{method.upper()} {path}"


RULES: Mapping[str, Rule] = {
    "adr-openapi-version-3": openapi_version,
    "adr-contact-complete": contact,
    "adr-document-is-a-resource": document_is_a_resource,
    "adr-document-readable-from-anywhere": document_readable,
    "adr-major-version-in-server": major_version_in_server,
    "adr-no-plain-http-server": no_plain_http,
    "adr-semantic-version": semantic_version,
    "adr-version-header": version_header,
    "adr-paths-kebab-case": kebab_case,
    "adr-collections-are-plural": plural,
    "adr-query-keys-camel-case": query_keys,
    "adr-standard-methods": standard_methods,
    "adr-errors-are-problems": problems,
    "adr-bad-input-is-400": bad_input_is_400,
    "adr-never-422": never_422,
    "adr-date-time-has-a-zone": times_have_a_zone,
    "adr-dates-say-so": dates_say_so,
    "house-members-camel-case": members_camel_case,
    "house-schemas-pascal-case": schemas_pascal_case,
    "house-operation-ids-camel-case": operation_ids,
    "house-no-personal-data-in-addresses": no_personal_data_in_addresses,
    "house-money-is-whole-cents": whole_cents,
    "house-writes-take-an-idempotency-key": idempotency_key,
    "house-everything-but-the-document-asks-a-token": tokens,
}
