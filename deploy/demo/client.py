"""What a municipal back office's own program would look like: plain HTTP calls with a bearer token."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any

import httpx

CONCURRENCY = 8
QUIET_SECONDS_MAX = 120


class Refused(Exception):
    """The server answered with a problem; the message is the one it gave."""


class BackOffice:
    """Calls the API as one municipality's back office; every answer that is not a success raises Refused."""

    def __init__(self, url: str, token: str, operator_token: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=url, timeout=60, limits=httpx.Limits(max_connections=CONCURRENCY + 2)
        )
        self._headers = {"Authorization": f"Bearer {token}"}
        self._operator_headers = {"Authorization": f"Bearer {operator_token}"}
        self._turn = asyncio.Semaphore(CONCURRENCY)

    async def __aenter__(self) -> "BackOffice":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def get(self, path: str, **parameters: Any) -> Any:
        return await self._call("GET", path, params=parameters)

    async def post(self, path: str, body: Any = None) -> Any:
        return await self._call("POST", path, json=body)

    async def put(self, path: str, body: Any) -> Any:
        return await self._call("PUT", path, json=body)

    async def post_lines(self, path: str, lines: bytes) -> Any:
        return await self._call("POST", path, content=lines, type="application/x-ndjson")

    async def pages(self, path: str, **parameters: Any) -> AsyncIterator[Any]:
        """Every item of a list, page after page."""
        cursor: dict[str, Any] = {}
        while True:
            page = await self.get(path, **parameters, **cursor)
            for item in page["items"]:
                yield item
            if not page.get("nextCursor"):
                return
            cursor = {"cursor": page["nextCursor"]}

    async def quiet(self) -> None:
        """Wait until everything that was sent has arrived everywhere, deliveries included."""
        for _ in range(QUIET_SECONDS_MAX * 10):
            answer = await self._http.get("/v1/status", headers=self._operator_headers)
            if answer.status_code == httpx.codes.OK and answer.json()["quiet"]:
                return
            await asyncio.sleep(0.1)
        raise Refused(f"The server did not come to rest within {QUIET_SECONDS_MAX} seconds: {answer.text}")

    async def status(self) -> Any:
        answer = await self._http.get("/v1/status", headers=self._operator_headers)
        return answer.json()

    async def _call(self, method: str, path: str, **options: Any) -> Any:
        headers = dict(self._headers)
        if "type" in options:
            headers["Content-Type"] = options.pop("type")
        async with self._turn:
            answer = await self._http.request(method, path, headers=headers, **options)
        if answer.is_error:
            raise Refused(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()


async def for_each(items: Iterable[Any], act: Callable[[Any], Coroutine[Any, Any, Any]]) -> list[Any]:
    """Run one call for each item, a few at a time; the answers come in the order of the items."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(act(item)) for item in items]
    return [task.result() for task in running]
