"""What the HTTP figures are compared with: the least that answers the same bytes, and what FastAPI's manual shows."""

import json
import sys
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Response

from app.api.shapes.quote import FeeQuote


def bare(headers: list[tuple[str, str]], body: str) -> Any:  # noqa: ANN401 - as uvicorn has applications
    """An ASGI application with nothing but the answer."""
    start = {
        "type": "http.response.start",
        "status": 200,
        "headers": [(name.encode("ascii"), value.encode("ascii")) for name, value in headers],
    }
    whole = {"type": "http.response.body", "body": body.encode()}

    async def answer(_scope: Any, _receive: Any, send: Any) -> None:  # noqa: ANN401 - as ASGI has them
        await send(start)
        await send(whole)

    return answer


def idiomatic(headers: list[tuple[str, str]], body: str) -> Any:  # noqa: ANN401 - as uvicorn has applications
    """A FastAPI application whose endpoint returns its model."""
    app = FastAPI()
    quote = FeeQuote.model_validate_json(body)
    own = {name: value for name, value in headers if name not in ("content-type", "content-length")}

    @app.get("/v1/fee")
    async def get_fee(response: Response) -> FeeQuote:
        response.headers.update(own)
        return quote

    return app


if __name__ == "__main__":
    kind, port, path = sys.argv[1:]
    uvicorn.run(
        {"bare": bare, "idiomatic": idiomatic}[kind](**json.loads(Path(path).read_text())),
        port=int(port),
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
    )
