"""Who may do what."""

import socket
import time

import jwt
import pytest

HOST = socket.gethostname()


@pytest.fixture
def token(stack):
    def make(*words):
        shown = stack.json("token", "generate", "-u", "anna", *words)
        return shown["token"]

    return make


def test_without_a_token_nothing_is_told_but_that_one_is_needed(stack):
    with stack.http(token="") as http:
        for response in (
            http.get("/api/job"),
            http.post(f"/api/node/{HOST}/command/exec", content=b"{not json"),
            http.get("/api/node/nobody/disk"),
            http.put(f"/api/node/{HOST}/timezone", json={"nonsense": 1}),
            http.get("/api/events"),
        ):
            assert response.status_code == 401
            assert response.json()["type"] == "urn:osapi:problem:not_authenticated"
            assert response.headers["WWW-Authenticate"] == "Bearer"


def test_liveness_and_readiness_need_none(stack):
    with stack.http(token="") as http:
        assert http.get("/api/health").status_code == 200
        assert http.get("/api/health/ready").status_code == 200


@pytest.mark.parametrize(
    ("claims", "key"),
    [
        ({"exp": 0}, None),
        ({"iss": "elsewhere"}, None),
        ({"aud": ["https://elsewhere"]}, None),
        ({"roles": None}, None),
        ({"sub": ""}, None),
        ({}, "another key of more than thirty-two characters"),
    ],
)
def test_a_token_that_is_not_ours_or_not_of_now_is_refused(stack, claims, key):
    signing = (stack.folder / "state" / "signing.key").read_text().strip()
    whole = {
        "sub": "anna",
        "roles": ["admin"],
        "iss": "osapi",
        "aud": ["https://localhost"],
        "iat": int(time.time()),
        "exp": int(time.time()) + 60,
        **claims,
    }
    forged = jwt.encode({k: v for k, v in whole.items() if v is not None}, key or signing, "HS256")

    with stack.http(token=forged) as http:
        assert http.get("/api/job").status_code == 401


def test_a_token_of_the_former_implementation_is_taken(stack):
    signing = (stack.folder / "state" / "signing.key").read_text().strip()
    claims = {
        "roles": ["read"],
        "iss": "osapi",
        "sub": "bob",
        "aud": ["https://localhost", "http://localhost"],
        "iat": int(time.time()),
        "exp": int(time.time()) + 90 * 86400,
    }

    with stack.http(token=jwt.encode(claims, signing, "HS256")) as http:
        assert http.get("/api/job").status_code == 200


def test_a_reader_reads_and_changes_nothing(stack, token):
    with stack.http(token=token("-r", "read")) as http:
        assert http.get(f"/api/node/{HOST}/disk").status_code == 200
        refused = http.put(f"/api/node/{HOST}/timezone", json={"timezone": "x y"})

    assert refused.status_code == 403
    assert "timezone:write" in refused.json()["detail"]


def test_a_writer_runs_no_commands_not_even_again(stack, token, http):
    job_id = http.post(f"/api/node/{HOST}/command/exec", json={"command": "true"}).json()["job_id"]

    with stack.http(token=token("-r", "write")) as writer:
        ran = writer.post(f"/api/node/{HOST}/command/exec", json={"command": "true"})
        again = writer.post(f"/api/job/{job_id}/retry")

    assert ran.status_code == again.status_code == 403
    assert "command:execute" in again.json()["detail"]


def test_permissions_of_a_token_replace_those_of_its_role(stack, token):
    with stack.http(token=token("-r", "admin", "-p", "health:read")) as http:
        assert http.get("/api/health/status").status_code == 200
        assert http.get("/api/job").status_code == 403


def test_the_command_line_ends_with_5_where_it_is_not_allowed(stack, token):
    variable = "OSAPI_CONTROLLER_CLIENT_SECURITY_BEARER_TOKEN"

    without = stack.cli("client", "node", "disk", "get", check=5, **{variable: "nonsense"})
    reader = stack.cli(
        "client", "node", "command", "exec", "--command", "true", check=5, **{variable: token("-r", "read")}
    )

    assert "token" in without.stderr
    assert "command:execute" in reader.stderr
