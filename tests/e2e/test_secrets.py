"""Secrets in jobs: they reach the host that they are for, and are written down nowhere on the way."""

SECRET = "correct-horse-battery-9417"


def submitted(http, **more):
    answer = http.post(
        "/api/node/_all/user/root/password",
        params={"dry_run": "true"},
        json={"password": SECRET, "force": True},
        **more,
    )
    assert answer.is_success, answer.text
    return answer.json()


def test_a_password_reaches_the_host_and_is_in_no_record(site):
    site.everything()
    with site.http() as http:
        done = submitted(http)
        job = http.get(f"/api/job/{done['job_id']}").json()
        listed = http.get("/api/job").text

    [item] = done["results"]
    assert item["status"] == "ok", item
    assert job["operation"]["data"]["password"] == "****"
    assert SECRET not in listed + str(job) + str(done)
    for path in site.folder.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


def test_the_same_key_with_another_password_is_another_request(site):
    site.everything()
    headers = {"Idempotency-Key": "one"}
    with site.http() as http:
        first = submitted(http, headers=headers)
        again = submitted(http, headers=headers)
        other = http.post(
            "/api/node/_all/user/root/password",
            params={"dry_run": "true"},
            json={"password": "another", "force": True},
            headers=headers,
        )

    assert first["job_id"] == again["job_id"]
    assert other.status_code == 409


def test_a_job_with_secrets_is_done_again_on_its_own_hosts_only(site):
    site.everything()
    with site.http() as http:
        job_id = submitted(http)["job_id"]
        name = http.get("/api/agent").json()["agents"][0]["hostname"]
        elsewhere = http.post(f"/api/job/{job_id}/retry", json={"target_hostname": name})
        again = http.post(f"/api/job/{job_id}/retry")

    assert elsewhere.status_code == 409
    assert again.status_code == 201
