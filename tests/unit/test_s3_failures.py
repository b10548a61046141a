"""What errors of the S3 client mean, by texts that it gave; what is secret in them is not told."""

from __future__ import annotations

import pytest

from pixmill.store.s3_failures import code_of, failure_of

SECRET = "hush-hush"
AT = "Generic S3 error: Error performing {} in 1ms"


def answer(status, code="", more="", request="GET https://s3.example.org/bucket/x"):
    body = (
        f"<Error><Code>{code}</Code>{more}<Message>{SECRET}</Message></Error>" if code else SECRET
    )
    return f"{AT.format(request)} - Server returned non-2xx status code: {status}: {body}"


def broken(kind, request="PUT https://s3.example.org/bucket/x"):
    return (
        f"{AT.format(request)}, after 3 retries - HTTP error: error sending request\n\n"
        f"Debug source:\nGeneric {{ inner: Http(HttpError {{ kind: {kind}, source: {SECRET} }}) }}"
    )


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (answer("404 Not Found", "NoSuchBucket"), "there is no such bucket"),
        (answer("403 Forbidden", "SignatureDoesNotMatch"), "its keys are refused"),
        (answer("404 Not Found", "XAdminUserNotFound"), "its keys are refused"),
        (answer("400 Bad Request", "ExpiredToken"), "its keys are refused (ExpiredToken)"),
        (answer("403 Forbidden", "AccessDenied"), "access is denied (403, AccessDenied)"),
        (answer("403 Forbidden"), "access is denied (403)"),
        (answer("403 Forbidden", "RequestTimeTooSkewed"), "the clock of this machine is wrong"),
        (
            answer("400 Bad Request", "AuthorizationHeaderMalformed", "<Region>eu-west-9</Region>"),
            "its region is eu-west-9",
        ),
        (answer("301 Moved Permanently", "PermanentRedirect"), "its bucket is in another region"),
        (answer("404 Not Found"), "https://s3.example.org has no S3 there (404)"),
        (answer("503 Busy", "SlowDown"), "https://s3.example.org answers with an error (503, Slow"),
        (answer("507 Insufficient Storage"), "https://s3.example.org answers with an error (507)"),
        (
            answer("500 Oops", request=f"GET http://us:{SECRET}@host:9000/bucket"),
            "http://host:9000 answers with an error (500)",
        ),
        (broken("Timeout"), "https://s3.example.org does not answer in time"),
        (broken("Connect"), "https://s3.example.org can not be reached"),
        (broken("Connect, invalid peer certificate"), "the certificate of https://s3.example.org"),
        (broken("Request"), "the connection to https://s3.example.org broke"),
        (broken("Unknown, BadScheme"), "its endpoint is no https:// or http:// URL"),
        (broken("Connect", "PUT http://169.254.169.254/latest/api/token"), "it was given no keys"),
        ("Generic S3 error: Missing Secret: MissingSecretAccessKey", "it was given no keys"),
        (f"a surprise {SECRET}", "its answer can not be understood"),
    ],
)  # fmt: skip
def test_the_cause_is_told_and_no_secret(text, cause):
    failure = failure_of(RuntimeError(text))
    assert failure.cause.startswith(cause)
    assert failure.remedy
    assert SECRET not in " ".join(failure)


def test_the_code_is_that_of_the_answer():
    assert code_of(FileNotFoundError(answer("404 Not Found", "NoSuchKey"))) == "NoSuchKey"
    assert code_of(FileNotFoundError("404")) is None
