"""Certificate authorities of real hosts: what OpenSSL there makes of certificates that they have signed."""

import pytest
from certificates import EXPIRED

LOCAL = "/usr/local/share/ca-certificates"
HERE = "/root/authorities"


@pytest.fixture
def authority(http):
    """What t1 answers about its authorities; with `fails`, why it does not do what is asked."""

    def ask(verb, path, fails=None, dry=False, **body):
        json = {"json": body} if body else {}
        answer = http.request(
            verb, f"/api/node/t1/certificate/{path}", params={"dry_run": "true"} if dry else {}, **json
        )
        if fails in {404, 409}:
            assert answer.status_code == fails, answer.text
            return answer.json()["detail"]
        [item] = answer.json()["results"]
        assert item.get("code") == fails, answer.text
        return item["error"] if fails else item

    return ask


@pytest.fixture
def host(authority, put, t1):
    """t1 with two authorities in the store, that trusts neither; what each has signed lies beside it."""
    t1.run("mkdir", "-p", HERE)
    for name in ("one", "two"):
        key = f"-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj '/O=Lab/CN={name}"
        signed = f"-CA {HERE}/{name}.pem -CAkey {HERE}/{name}.key -keyout /dev/null -out {HERE}/{name}.leaf"
        t1.sh(f"openssl req -x509 {key} CA' -keyout {HERE}/{name}.key -out {HERE}/{name}.pem 2>/dev/null")
        t1.sh(f"openssl req -x509 {key}.example' -addext basicConstraints=CA:FALSE {signed} 2>/dev/null")
        put(f"{name}.pem", f"The authority {name}\n{t1.read(f'{HERE}/{name}.pem')}\n")
    before = traces(t1)
    yield t1
    authority("DELETE", "ca/lab")
    assert traces(t1) == before
    t1.run("rm", "-r", HERE)


def traces(host):
    return host.sh(
        f"find {LOCAL} /etc/ssl/certs -printf '%p %m %u %l\\n' | sort; sha256sum /etc/ssl/certs/ca-certificates.crt"
    )


def trusted(host):
    """Whose certificates are trusted, by those who look into the folder and those who read the bundle."""
    ways = "-CApath /etc/ssl/certs -no-CAfile", "-CAfile /etc/ssl/certs/ca-certificates.crt -no-CApath"
    return [
        [
            name
            for name in ("one", "two")
            if host.sh(f"openssl verify {way} {HERE}/{name}.leaf 2>&1 || true").endswith(": OK")
        ]
        for way in ways
    ]


def dangling(host):
    return host.run("find", "/etc/ssl/certs", "-xtype", "l")


def changed(ask, *words, **body):
    """Whether it changed something, and whether it did so again."""
    return ask(*words, **body)["changed"], ask(*words, **body)["changed"]


def test_an_authority_is_trusted_until_it_is_replaced_or_removed(authority, host):
    assert trusted(host) == [[], []]

    assert changed(authority, "POST", "ca", name="lab", object="one.pem") == (True, False)
    assert trusted(host) == [["one"], ["one"]]

    assert changed(authority, "PUT", "ca/lab", object="two.pem") == (True, False)
    assert trusted(host) == [["two"], ["two"]]
    assert dangling(host) == ""

    assert changed(authority, "DELETE", "ca/lab") == (True, False)
    assert trusted(host) == [[], []]
    assert dangling(host) == ""
    assert "lab" in authority("PUT", "ca/lab", fails=404, object="one.pem")


def test_a_certificate_that_somebody_took_away_is_put_back(authority, host):
    authority("POST", "ca", name="lab", object="one.pem")
    host.sh(f"rm {LOCAL}/osapi-lab.crt; update-ca-certificates --fresh")
    assert trusted(host) == [[], []]

    assert changed(authority, "POST", "ca", name="lab", object="one.pem") == (True, False)

    assert trusted(host) == [["one"], ["one"]]


def test_list_shows_whom_a_host_trusts(site, authority, host):
    authority("POST", "ca", name="lab", object="one.pem")

    [item] = site.ask("certificate", "list", on="t1")

    found = item["certificates"]
    assert (found[0]["name"], found[0]["source"], found[0]["object"]) == ("lab", "custom", "one.pem")
    assert found[0]["subject"] == "O=Lab, CN=one CA"
    links = host.sh("ls -l /etc/ssl/certs/*.pem | grep -c /usr")
    assert (len(found), {each["source"] for each in found[1:]}) == (int(links), {"system"})
    assert all(each["subject"] and each["expires"] for each in found)


def test_what_is_no_authority_is_refused_and_nothing_changes(authority, put, host):
    before = traces(host)
    put("expired.pem", EXPIRED)
    put("leaf.pem", host.read(f"{HERE}/one.leaf") + "\n")
    put("both.pem", host.read(f"{HERE}/one.key") + "\n" + host.read(f"{HERE}/one.pem") + "\n")
    reasons = {"expired.pem": "2020-01-01", "leaf.pem": "CA:TRUE", "both.pem": "private key"}

    for name, reason in reasons.items():
        for dry in (True, False):
            assert reason in authority("POST", "ca", fails="refused", name="lab", object=name, dry=dry)

    assert traces(host) == before


def test_a_certificate_that_is_not_ours_is_left_alone(authority, host):
    host.sh(f"cp {HERE}/two.pem {LOCAL}/osapi-lab.crt; update-ca-certificates")

    assert "osapi-lab.crt" in authority("POST", "ca", fails=409, name="lab", object="one.pem")
    assert "osapi-lab.crt" in authority("DELETE", "ca/lab", fails=409)

    assert trusted(host) == [["two"], ["two"]]
    host.sh(f"rm {LOCAL}/osapi-lab.crt; update-ca-certificates --fresh")


def test_a_dry_run_changes_nothing_and_its_plan_is_what_is_then_done(authority, host):
    before = traces(host)

    plan = authority("POST", "ca", dry=True, name="lab", object="one.pem")["plan"]

    assert traces(host) == before
    authority("POST", "ca", name="lab", object="one.pem")
    [file] = plan["files"]
    added = [
        line[1:] for line in file["diff"].splitlines() if line.startswith("+") and not line.startswith("+++ ")
    ]
    assert "\n".join(added) == host.read(f"{LOCAL}/osapi-lab.crt")
    assert plan["commands"] == [["update-ca-certificates"]]


@pytest.mark.parametrize("name", ["../lab", "a.b", "lab lab", "--fresh;", "x\ny", "$(id)"])
def test_a_name_that_is_none_is_refused(http, host, name):
    before = traces(host)

    answer = http.post("/api/node/t1/certificate/ca", json={"name": name, "object": "one.pem"})

    assert answer.status_code == 400, answer.text
    assert traces(host) == before
