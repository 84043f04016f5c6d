"""Limits of a controller that was told to be strict."""

import pytest
from processes import installation


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    with installation(tmp_path_factory.mktemp("strict")) as found:
        found.env |= {
            "OSAPI_CONTROLLER_API_RATE_LIMIT_PER_SECOND": "0.5",
            "OSAPI_CONTROLLER_API_RATE_LIMIT_BURST": "5",
            "OSAPI_CONTROLLER_API_MAX_BODY_BYTES": "1000",
            "OSAPI_CONTROLLER_API_SECURITY_CORS_ALLOW_ORIGINS": "https://ours.example",
        }
        found.broker()
        found.controller()
        yield found


def test_a_token_that_asks_too_often_is_told_when_to_come_back(strict):
    with strict.http() as http:
        answers = [http.get("/api/job") for _ in range(8)]

    assert [answer.status_code for answer in answers[:5]] == [200] * 5
    refused = answers[-1]
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 6
    assert refused.json()["type"] == "urn:osapi:problem:too_many_requests"


def test_health_is_not_limited(strict):
    with strict.http(token="") as http:
        assert {http.get("/api/health").status_code for _ in range(20)} == {200}


def test_only_the_origins_that_were_named_may_use_the_api(strict):
    with strict.http(token="") as http:
        ours = http.get("/api/health", headers={"Origin": "https://ours.example"})
        other = http.get("/api/health", headers={"Origin": "https://other.example"})

    assert ours.headers["Access-Control-Allow-Origin"] == "https://ours.example"
    assert "Access-Control-Allow-Origin" not in other.headers


def test_every_answer_names_its_request(strict):
    with strict.http(token="") as http:
        given = http.get("/api/health", headers={"X-Request-Id": "mine"})
        made = http.get("/api/health")
        refused = http.get("/api/job")

    assert given.headers["X-Request-Id"] == "mine"

    assert len(made.headers["X-Request-Id"]) == 32
    assert refused.json()["trace_id"] == refused.headers["Trace-Id"] != made.headers["Trace-Id"]
