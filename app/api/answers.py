"""How a JSON answer that is true only now goes out."""

from collections.abc import Mapping

from starlette.responses import Response

from app.api.bodies import encoded


def uncached_json(document: Mapping[str, object]) -> Response:
    """`document` as JSON that no cache may keep."""
    return Response(encoded(document), media_type="application/json", headers={"Cache-Control": "no-store"})
