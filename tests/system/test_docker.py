"""Docker on a real host, with a registry beside it: what was done is what Docker's own program shows."""

import json

import httpx
import image
import pytest
import registry
from processes import eventually

RUNS = "running"
DOCKER = "/api/node/d1/container/docker"
SERVES = ["httpd", "-f", "-p", "80", "-h", "/srv/www"]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with registry.served(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture(scope="module")
def d1(site, served):
    """A host with Docker, which lies on a file system of its own."""
    host = site.new(
        "d1",
        "10.77.2.9",
        {"group": "docker"},
        above=image.docker(),
        files=registry.files(),
        plain="/var/lib/docker",
        nspawn="--system-call-filter=@keyring --system-call-filter=bpf",
    )
    site.ready(host)
    yield host
    site.remove(host)


@pytest.fixture(scope="module")
def box(d1, served):
    """The name of an image that is in the registry."""
    return served.add(d1, "lab/box:1", 'CMD ["sleep", "1000"]', "ENV COLOUR=red")


@pytest.fixture
def clean(d1):
    """No container and no image is there, now and at the end."""
    remove = (
        "docker ps --all --quiet | xargs --no-run-if-empty docker rm --force --volumes",
        "docker image prune --all --force",
    )
    d1.sh("; ".join(remove))
    yield
    d1.sh("; ".join(remove))


@pytest.fixture
def docker(http, d1, clean):
    """What d1 answers to an operation on containers; or why it does not do it."""

    def ask(method, path="", *, dry=False, refused=None, fails=False, query=None, **body):
        params = {**(query or {}), **({"dry_run": "true"} if dry else {})}
        answer = http.request(method, f"{DOCKER}{path}", params=params, json=body or None)
        if refused:
            assert answer.status_code == refused, answer.text
            return answer.json()["detail"]
        assert answer.status_code in {200, 202}, answer.text
        [item] = answer.json()["results"]
        assert item["status"] == ("failed" if fails else "ok"), item
        return item["error"] if fails else {**item, "job_id": answer.json()["job_id"]}

    return ask


@pytest.fixture
def pulled(docker, box):
    """The name of an image that is on the host."""
    docker("POST", "/pull", image=box)
    return box


def shown(host, what, format):
    """What Docker's own program shows of something; nothing where there is none."""
    return host.sh(f"docker inspect --format '{format}' {what} 2>/dev/null || true")


def output(http, job_id):
    """What a job has told while it ran."""
    with http.stream("GET", f"/api/job/{job_id}/events") as stream:
        events = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
    return "".join(event["data"]["text"] for event in events if event["kind"] == "output")


def encoded(name):
    return name.replace("/", "%2F")


def test_an_image_is_fetched_once_and_again_when_the_registry_has_another(http, docker, d1, served, box):
    planned = docker("POST", "/pull", dry=True, image=box)
    none = shown(d1, box, "{{.Id}}")

    first, again = docker("POST", "/pull", image=box), docker("POST", "/pull", image=box)

    assert (planned["changed"], planned["plan"]["commands"], none) == (True, [["docker", "pull", box]], "")
    assert (first["changed"], again["changed"]) == (True, False)
    assert first["image_id"] == again["image_id"] == shown(d1, box, "{{.Id}}")
    assert str(first["size"]) == shown(d1, box, "{{.Size}}")
    assert "Digest: sha256:" in output(http, first["job_id"])
    [known] = docker("GET", "/image")["images"]
    assert (known["id"], known["tags"]) == (first["image_id"], [box])
    by_digest = shown(d1, box, "{{index .RepoDigests 0}}")
    assert docker("POST", "/pull", image=by_digest)["changed"] is False
    served.add(d1, "lab/box:1", 'CMD ["sleep", "1000"]', "ENV COLOUR=red", "LABEL version=2")
    docker("POST", "/pull", image=by_digest)
    d1.run("docker", "tag", by_digest, box)
    assert docker("POST", "/pull", dry=True, image=box)["changed"] is True
    assert docker("POST", "/pull", image=box)["changed"] is True
    assert shown(d1, box, "{{.Config.Labels.version}}") == "2"


def test_an_image_that_cannot_be_fetched_is_an_error_also_in_the_middle(docker, d1, served, box):
    unknown = docker("POST", "/pull", image=f"{registry.ADDRESS}/no/such", refused=404)
    away = docker("POST", "/pull", image="10.77.0.1:9/lab/box", fails=True)
    with served.damaged():
        damaged = docker("POST", "/pull", image=box, fails=True)

    assert "manifest unknown" in unknown
    assert "connection refused" in away
    assert "verification failed" in damaged
    assert shown(d1, box, "{{.Id}}") == ""


def test_a_container_lives_as_it_is_told(docker, d1, pulled):
    asked = {
        "image": pulled,
        "name": "web",
        "hostname": "webby",
        "command": SERVES,
        "env": ["DB_PASSWORD=hidden words", "GREETING=hello, $world; `id`"],
        "ports": ["8080:80"],
        "volumes": ["/srv/www:/srv/www:ro", "data:/data"],
    }
    d1.sh("mkdir -p /srv/www; echo served > /srv/www/index.html")
    planned = docker("POST", dry=True, **asked)
    none = shown(d1, "web", "{{.Id}}")
    first, again = docker("POST", **asked), docker("POST", **asked)
    other = docker("POST", **{**asked, "env": ["GREETING=bye"], "ports": ["8081:80"]}, refused=409)
    page = httpx.get(f"http://{d1.address}:8080/index.html")
    detail = docker("GET", "/web")
    [listed] = docker("GET")["containers"]

    assert planned["plan"]["commands"][0][:5] == ["docker", "run", "--detach", "--name", "web"]
    assert "hidden" not in json.dumps(planned)
    assert none == ""
    assert (first["changed"], again["changed"], first["id"]) == (True, False, again["id"])
    assert "differs in env, ports" in other
    assert page.text == "served\n"
    assert detail["ports"] == ["8080:80"]
    assert sorted(detail["mounts"]) == ["/srv/www:/srv/www", "data:/data"]
    assert {"DB_PASSWORD=****", "GREETING=hello, $world; `id`", "COLOUR=red"} <= set(detail["env"])
    assert detail["network_settings"]["ip_address"] == shown(
        d1, "web", "{{.NetworkSettings.Networks.bridge.IPAddress}}"
    )
    assert (listed["id"], listed["name"], listed["state"]) == (first["id"], "web", RUNS)
    assert first["id"] == shown(d1, "web", "{{.Id}}")


def test_a_container_is_stopped_started_and_removed_once_each(docker, d1, pulled):
    docker("POST", image=pulled, name="web")
    state = "{{.State.Status}}"

    assert docker("POST", "/web/stop", dry=True, timeout=1)["changed"] is True
    assert shown(d1, "web", state) == RUNS
    assert [docker("POST", "/web/stop", timeout=1)["changed"] for _ in range(2)] == [True, False]
    assert shown(d1, "web", state) == "exited"
    assert docker("GET")["containers"] == []
    assert [one["name"] for one in docker("GET", query={"state": "stopped"})["containers"]] == ["web"]
    assert docker("POST", "/web/start", dry=True)["changed"] is True
    assert shown(d1, "web", state) == "exited"
    assert [docker("POST", "/web/start")["changed"] for _ in range(2)] == [True, False]
    assert shown(d1, "web", state) == RUNS
    assert "is running" in docker("DELETE", "/web", refused=409)
    assert "needed by container web" in docker("DELETE", f"/image/{encoded(pulled)}", refused=409)
    assert docker("DELETE", "/web", dry=True, query={"force": "true"})["changed"] is True
    assert shown(d1, "web", state) == RUNS
    assert [docker("DELETE", "/web", query={"force": "true"})["changed"] for _ in range(2)] == [True, False]
    assert shown(d1, "web", state) == ""
    for verb in ("start", "stop"):
        assert "web" in docker("POST", f"/web/{verb}", refused=404)
    assert "web" in docker("GET", "/web", refused=404)
    planned = docker("DELETE", f"/image/{encoded(pulled)}", dry=True)
    assert shown(d1, pulled, "{{.Id}}") != ""
    gone = [docker("DELETE", f"/image/{encoded(pulled)}")["changed"] for _ in range(2)]
    assert (planned["changed"], gone, shown(d1, pulled, "{{.Id}}")) == (True, [True, False], "")


def test_a_container_that_cannot_be_started_is_not_left_behind(docker, d1, pulled):
    docker("POST", image=pulled, name="first", ports=["8080:80"])

    taken = docker("POST", image=pulled, name="second", ports=["8080:80"], fails=True)
    no_program = docker("POST", image=pulled, name="third", command=["nosuch"], fails=True)
    no_folder = docker("POST", image=pulled, name="fourth", volumes=["/nosuch:/srv"], fails=True)
    no_image = docker("POST", image="nosuch:1", name="fifth", refused=404)

    assert "already allocated" in taken
    assert "nosuch" in no_program
    assert "/nosuch" in no_folder
    assert "docker pull --image nosuch:1" in no_image
    assert d1.run("docker", "ps", "--all", "--format", "{{.Names}}") == "first"
    assert d1.sh("ls -d /nosuch 2>/dev/null || true") == ""


def test_a_command_runs_in_a_container_with_what_it_is_given(http, docker, d1, pulled):
    docker("POST", image=pulled, name="web")
    script = "echo \"$COLOUR $TOKEN $HOST\"; pwd; echo '$(touch /tmp/canary)' >&2; exit 3"
    asked = {"command": ["sh", "-c", script], "working_dir": "/srv"}
    asked["env"] = ["TOKEN=hidden words", "HOST=@fact.hostname"]
    planned = docker("POST", "/web/exec", dry=True, **asked)
    literal = docker("POST", "/web/exec", command=["echo", "; touch /tmp/canary", "$(touch /tmp/canary)"])

    done = docker("POST", "/web/exec", **asked)

    assert (done["stdout"], done["stderr"], done["exit_code"]) == (
        "red hidden words d1\n/srv\n",
        "$(touch /tmp/canary)\n",
        3,
    )
    assert planned["plan"]["commands"][0][:4] == ["docker", "exec", "--env", "TOKEN"]
    assert literal["stdout"] == "; touch /tmp/canary $(touch /tmp/canary)\n"
    assert d1.run("docker", "exec", "web", "sh", "-c", "echo /tmp/*") == "/tmp/*"
    job = http.get(f"/api/job/{done['job_id']}").json()
    assert (job["operation"]["data"]["env"], job["operation"]["data"]["working_dir"]) == ("****", "/srv")
    assert docker("POST", "/web/exec", command=["nosuch"])["exit_code"] in {126, 127}
    d1.run("docker", "stop", "--time", "0", "web")
    assert "not running" in docker("POST", "/web/exec", command=["pwd"], refused=409)
    assert "nosuch" in docker("POST", "/nosuch/exec", command=["pwd"], refused=404)


def test_a_command_that_takes_too_long_or_is_cancelled_leaves_nothing_in_the_container(
    site, http, docker, d1, pulled
):
    docker("POST", image=pulled, name="web")
    long = ["sh", "-c", "sleep 4716 & sleep 4717; echo over"]
    sleeping = "pgrep --full '[s]leep 471[67]' || true"

    late = docker("POST", "/web/exec", command=long, timeout=1, fails=True)
    after = d1.sh(sleeping)
    async_ = {"Prefer": "respond-async"}
    job_id = http.post(f"{DOCKER}/web/exec", json={"command": long}, headers=async_).json()["job_id"]
    eventually(lambda: len(d1.sh(sleeping).split()) > 1)
    http.post(f"/api/job/{job_id}/cancel")

    assert site.ended(job_id)["agent_states"]["d1"]["status"] == "cancelled"
    assert "took longer than 1 s and was ended" in late
    assert (after, d1.sh(sleeping)) == ("", "")
    assert shown(d1, "web", "{{.State.Status}}") == RUNS


def test_what_a_container_writes_is_shown_from_its_end(docker, pulled):
    line = "i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); done; echo bad >&2; sleep 1000"
    docker("POST", image=pulled, name="web", command=["sh", "-c", line])

    def written():
        return docker("GET", "/web/logs", query={"lines": 10_000})["entries"]

    eventually(lambda: len(written()) == 301)

    found = written()
    last = docker("GET", "/web/logs", query={"lines": 2})["entries"]

    assert [each["message"] for each in found if each["stream"] == "stdout"] == [
        f"line {number}" for number in range(300)
    ]
    assert [each["message"] for each in found if each["stream"] == "stderr"] == ["bad"]
    assert len(last) == 2


def test_values_that_mean_harm_are_refused(docker, d1, pulled):
    docker("POST", image=pulled, name="web")
    everything = "docker ps --all --format '{{.ID}} {{.Names}} {{.State}}'; docker images --no-trunc --quiet"
    before = d1.sh(everything)

    for name in ("a%2F..%2F..%2Fcontainers%2Fweb", "..%2F..%2Fcontainers%2Fweb", "A;id", "-f"):
        docker("DELETE", f"/image/{name}", query={"force": "true"}, refused=400)
    for name in ("web%3Fforce=1", "-f", "web%0A", "web%2F..%2Fother"):
        docker("DELETE", f"/{name}", query={"force": "true"}, refused=400)
    for volume in (
        "/:/host",
        "/etc:/host",
        "/etc/osapi:/host:ro",
        "/var/lib/osapi-agent:/host",
        "/proc:/host",
    ):
        assert "/host" not in docker("POST", image=pulled, name="bad", volumes=[volume], fails=True)
    for given in ({"ports": ["70000:80"]}, {"ports": ["80"]}, {"volumes": ["../x:/y"]}, {"env": ["=x"]}):
        docker("POST", image=pulled, name="bad", **given, refused=400)

    assert d1.sh(everything) == before


def test_without_docker_a_host_is_skipped_and_one_that_is_down_is_an_error(site, http, docker, d1):
    [item] = http.get("/api/node/t1/container/docker").json()["results"]
    d1.run("systemctl", "stop", "docker.socket", "docker.service")
    try:
        down = docker("GET", fails=True)
    finally:
        d1.run("systemctl", "start", "docker.socket", "docker.service")

    assert (item["status"], item["error"]) == (
        "skipped",
        "Docker is not installed: there is no /var/run/docker.sock",
    )
    assert "Docker does not run" in down
    assert docker("GET")["containers"] == []
