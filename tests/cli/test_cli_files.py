"""Files on hosts, on the command line: deployed, shown and edited."""

import pytest
from answering import JOB, envelope, item

SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def test_a_template_is_deployed_with_its_variables(controller, osapi):
    deployed = item(changed=True, path="/etc/app/app.conf", sha256=SHA256)
    controller.says("POST", "/api/node/_all/file/deploy", envelope(deployed), 202)

    words = ["--object-name", "app.conf.tmpl", "--path", "/etc/app/app.conf", "--content-type", "template"]
    words += ["--var", "listen_address=0.0.0.0:8080", "--target", "_all"]
    done = osapi("client", "node", "file", "deploy", *words)

    assert controller.asked[0].body == {
        "object_name": "app.conf.tmpl",
        "path": "/etc/app/app.conf",
        "content_type": "template",
        "vars": {"listen_address": "0.0.0.0:8080"},
    }
    assert done.out == (
        f"\n  Job ID: {JOB}\n\n  HOSTNAME  STATUS\n  web-01    changed\n\n  1 host: 1 changed\n"
    )


def test_the_status_of_a_file_is_no_failure_of_the_host(controller, osapi):
    answers = [
        item("a", "in-sync", path="/etc/app", sha256=SHA256),
        item("b", "drifted", path="/etc/app", sha256="0" * 64, differs=["content", "mode"]),
        item("c", "failed", error="/etc/app was never deployed", code="not_found"),
        {"hostname": "d", "error": "not on this family", "code": "unsupported"},
    ]
    controller.says("POST", "/api/node/_all/file/status", envelope(*answers))
    status = ("client", "node", "file", "status", "--path", "/etc/app")

    done, wide = osapi(*status), osapi(*status, "-o", "wide")

    assert done.code == 3
    assert done.out.splitlines()[3:] == [
        "  HOSTNAME  STATUS  PATH      STATUS",
        "  a         ok      /etc/app  in-sync",
        "  b         ok      /etc/app  drifted",
        "  c         err",
        "  d         skip",
        "",
        "  4 hosts: 2 ok, 1 skipped, 1 failed",
        "",
        "  Details:",
        "    c: /etc/app was never deployed",
        "    d: not on this family",
    ]
    assert "content, mode" in wide.out
    assert SHA256 in wide.out


@pytest.mark.parametrize("group", [("client", "file"), ("client", "node", "file")])
def test_a_file_is_written_from_a_blob(controller, osapi, group):
    changed = item(changed=True, path="/etc/nginx/nginx.conf", sha256=SHA256)
    controller.says("PUT", "/api/node/web-01/file/write", envelope(changed))

    words = ["/etc/nginx/nginx.conf", "--source-sha", SHA256, "--mode", "0644", "--target", "web-01"]
    done = osapi(*group, "write", *words)

    assert done.code == 0
    assert controller.asked[0].body == {
        "path": "/etc/nginx/nginx.conf",
        "source_sha256": SHA256,
        "mode": "0644",
        "parents": True,
        "backup": False,
    }
    assert "  HOSTNAME  STATUS   PATH\n  web-01    changed  /etc/nginx/nginx.conf\n" in done.out


def test_a_line_is_edited_and_a_copy_made(controller, osapi):
    controller.says("PATCH", "/api/node/_all/file/line", envelope(item(path="/etc/a")))
    controller.says(
        "POST", "/api/node/_all/file/copy", envelope(item(changed=True, path="/b", backup="/b.1~"))
    )

    osapi("client", "file", "line", "/etc/a", "--regexp", "^#?Port", "--line", "Port 22")
    done = osapi("client", "file", "copy", "--source", "/a", "/b")

    assert controller.asked[0].method == "PATCH"
    assert controller.asked[0].body["regexp"] == "^#?Port"
    assert controller.asked[1].body["source"] == "/a"
    assert controller.asked[1].body["destination"] == "/b"
    assert "  HOSTNAME  STATUS   PATH  BACKUP\n  web-01    changed  /b    /b.1~\n" in done.out


def test_a_path_with_any_character_is_deleted_as_it_is(controller, osapi):
    controller.says("DELETE", "/api/node/web-01/file/%2Fsrv%2Fa%3Fb%23c%20..", envelope(item(path="/")))

    done = osapi("client", "node", "file", "delete", "/srv/a?b#c ..", "--recursive", "-T", "web-01")

    assert (done.code, controller.asked[0].query) == (0, {"recursive": "true"})


def test_a_file_that_is_read_on_one_host_is_told_as_it_is(controller, osapi):
    found = item(path="/etc/motd", content="hello\tyou\r\nno end", encoding="utf-8", size=17, binary=False)
    controller.says("POST", "/api/node/web-01/file/read", envelope(found))

    done = osapi("client", "file", "read", "/etc/motd", "-T", "web-01")

    assert (done.code, done.out, done.err) == (0, "hello\tyou\r\nno end", "")


def test_a_file_that_is_read_on_several_hosts_is_told_line_by_line(controller, osapi):
    read = {"path": "/a", "encoding": "utf-8", "size": 3, "binary": False}
    answers = [
        item("b", content="two\tx\nthree\n", first=1, lines=2, more=True, **read),
        item("a", content="one\n", **read),
        item("c", "failed", error="/a is not there", code="not_found"),
    ]
    controller.says("POST", "/api/node/_all/file/read", envelope(*answers))

    done = osapi("client", "node", "file", "read", "/a")

    assert done.code == 3
    assert done.out == "[a] one\n[b] two\tx\n[b] three\n"
    assert done.err == "[b] there is more: go on with --offset 2\n[c] Error: /a is not there\n"


def test_what_lies_under_a_path_is_shown(controller, osapi):
    found = {
        "path": "/etc/motd", "type": "file", "size": 2048, "mode": "0644", "owner": "root", "group": "root",
        "uid": 0, "gid": 0, "modified": "2020-01-02T03:04:05Z", "is_dir": False, "is_link": False, "checksum": SHA256,
    }  # fmt: skip
    controller.says("GET", "/api/node/_all/file/stat", envelope(item(**found)))

    done = osapi("client", "node", "file", "stat", "/etc/motd")

    assert controller.asked[0].query == {"path": "/etc/motd", "follow": "false"}
    assert done.out.splitlines()[3:5] == [
        "  HOSTNAME  STATUS  TYPE  SIZE     MODE  OWNER  GROUP  MODIFIED    CHECKSUM",
        f"  web-01    ok      file  2.0 KiB  0644  root   root   2020-01-02  {SHA256[:12]}",
    ]


def test_what_is_lent_says_where_it_belongs(osapi):
    done = osapi("client", "file", "write", "-h")

    assert "The same as `osapi client node file write`." in done.out
    assert "-T, --target" in done.out
    assert "Usage: osapi client file write [OPTIONS] PATH" in done.out
