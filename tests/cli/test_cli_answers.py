"""What a person sees: tables, groups, footers, errors."""

from answering import JOB, envelope, item


def test_try(controller, osapi):
    controller.says("GET", "/api/node/_all/hostname", envelope(item("web-01")))
    done = osapi("client", "node", "hostname", "get")
    print(done.out, done.err)
    controller.says(
        "GET",
        "/api/node/_all/disk",
        envelope(
            *[
                item(
                    f"web-{i:02}",
                    disks=[
                        {"name": "/", "total": 1000000, "used": 500000, "free": 1},
                        {"name": "/srv", "total": 9100000000, "used": 500000, "free": 1},
                    ],
                )
                for i in range(1, 11)
            ],
            item("db", "failed", error="boom"),
        ),
    )
    done = osapi("client", "node", "disk")
    print(done.out, done.err)
    done = osapi("client", "node", "disk", "-o", "wide")
    print(done.out, done.err)
    done = osapi("client", "node", "dsik", "-o", "wide")
    print(done.out, done.err)
    assert 0
