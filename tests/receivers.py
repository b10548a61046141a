"""What receivers of webhooks do: check a signature, by code of their own, and read the job."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json


def is_signed(request, secret):
    """Whether one of the signatures of a request is that of a secret of the form `whsec_…`."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    headers = request.headers
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + request.body
    right = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return right in headers["webhook-signature"].split(" ")


def told(request):
    """The job that a request tells of."""
    return json.loads(request.body)
