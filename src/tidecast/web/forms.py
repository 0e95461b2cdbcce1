"""Forms that pages send, within limits."""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.requests import Request

from tidecast.web.rendering import Refused

MAX_FORM_BYTES = 16_384


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form, trimmed; raises `Refused` for what is none, or is too large."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Refused(400, "Nothing was changed", "Send application/x-www-form-urlencoded.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise Refused(413, "Nothing was changed", f"A form holds {MAX_FORM_BYTES} bytes.")
    try:
        fields = parse_qs(body.decode(), max_num_fields=20, errors="strict")
    except ValueError as error:
        raise Refused(400, "Nothing was changed", f"The form cannot be read: {error}.") from error
    return {name: values[0].strip() for name, values in fields.items()}
