"""A fund's books as a chain: each link's hash covers one transaction and the link before it.

Whoever changes, removes, inserts or moves a transaction after it was sealed breaks the chain from there on,
and has to make every later link anew. That is seen by anybody who kept a later hash: the log, an earlier
export. Nothing here knows a database, so that an export can be verified where there is none.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

FIRST: Final = "0" * 64
"""What stands where a chain has no link before."""

CONTENT_FORMAT: Final = 1
"""Which members a link covers; counts up when a column is added to what is sealed."""


def link_hash(previous: str, fund_id: str, number: int, transaction: Mapping[str, Any]) -> str:
    """The hash of link `number` (the first is 1) of a fund's chain, after the link whose hash is
    `previous`."""
    content = {
        "format": CONTENT_FORMAT,
        "fundId": fund_id,
        "number": number,
        "previous": previous,
        "transaction": transaction,
    }
    return hashlib.sha256(canonical(content)).hexdigest()


def receipt_hash(row: str) -> str:
    """The hash of a settled month's row, which holds the parameter receipt a draw rests on."""
    return hashlib.sha256(row.encode()).hexdigest()


def canonical(content: Mapping[str, Any]) -> bytes:
    """One spelling for equal content: members sorted, no spaces, UTF-8. Floats have none and are refused."""
    _must_be_exact(content)
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _must_be_exact(value: object) -> None:
    if isinstance(value, float):
        raise ValueError("a float has no one spelling: amounts in the books are whole cents")
    if isinstance(value, Mapping):
        for member in value.values():
            _must_be_exact(member)
    elif isinstance(value, list | tuple):
        for member in value:
            _must_be_exact(member)
