"""What a person sees of kernel parameters and of the clock."""

from textwrap import dedent, indent

from answering import JOB, envelope, item

SETTINGS = [
    item("web-2", key="net.ipv4.ip_forward", value="0", kept="1"),
    item("web-2", key="net.ipv4.tcp_fin_timeout", value="30"),
    item("web-10"),
    item("db", status="skipped", error="not on suse", code="unsupported"),
]


def shown(text):
    return f"\n  Job ID: {JOB}\n\n" + indent(dedent(text).lstrip("\n"), "  ")


def test_entries_of_a_list_are_rows_of_their_host_and_hosts_are_counted_once(controller, osapi):
    controller.says("GET", "/api/node/_all/sysctl", envelope(*SETTINGS))

    done = osapi("client", "node", "sysctl", "list")

    assert done.code == 0
    assert done.out == shown("""
          HOSTNAME  STATUS  KEY                       VALUE
          db        skip
          web-2     ok      net.ipv4.ip_forward       0
          web-2     ok      net.ipv4.tcp_fin_timeout  30
          web-10    ok

          3 hosts: 2 ok, 1 skipped

          Details:
            db: not on suse
        """)


def test_hosts_with_the_same_entries_share_their_rows(controller, osapi):
    both = [item(f"web-{n}", key=key, value="1") for n in (1, 2) for key in ("a.b", "c.d")]
    controller.says("GET", "/api/node/_all/sysctl", envelope(*both))

    done = osapi("client", "node", "sysctl", "list")

    assert done.out == shown("""
          HOSTNAME   STATUS  KEY  VALUE
          web-[1-2]  ok      a.b  1
          web-[1-2]  ok      c.d  1

          2 hosts: 2 ok
        """)


def test_a_wide_table_shows_what_an_entry_should_be(controller, osapi):
    controller.says("GET", "/api/node/_all/sysctl", envelope(*SETTINGS[:2]))

    done = osapi("client", "node", "sysctl", "list", "-o", "wide")

    assert done.out.splitlines()[3:6] == [
        "  HOSTNAME  STATUS  KEY                       VALUE  KEPT",
        "  web-2     ok      net.ipv4.ip_forward       0      1",
        "  web-2     ok      net.ipv4.tcp_fin_timeout  30",
    ]


def test_a_parameter_is_named_in_the_path_and_its_value_in_the_body(controller, osapi):
    key = "net.ipv4.conf.eth0/100.rp_filter"
    path = "/api/node/_all/sysctl/net.ipv4.conf.eth0%2F100.rp_filter"
    controller.says("PUT", path, envelope(item("web", changed=True, key=key)))

    done = osapi("client", "node", "sysctl", "update", "--key", key, "--value", "1")

    assert controller.asked[0].body == {"value": "1"}
    assert done.out.splitlines()[3:5] == [
        "  HOSTNAME  STATUS   KEY",
        f"  web       changed  {key}",
    ]


def test_the_clock_and_its_servers_are_one_row(controller, osapi):
    clock = {"synchronized": True, "stratum": 3, "offset": "+0.000001235s", "current_source": "a"}
    controller.says("GET", "/api/node/_all/ntp", envelope(item("web", **clock, servers=["a", "b"])))

    done = osapi("client", "node", "ntp")

    assert done.out.splitlines()[3:5] == [
        "  HOSTNAME  STATUS  SYNCHRONIZED  SOURCE  SERVERS",
        "  web       ok      yes           a       a, b",
    ]


def test_servers_are_given_one_by_one_or_with_commas(controller, osapi):
    controller.says("POST", "/api/node/_all/ntp", envelope(item("web", changed=True)))

    osapi("client", "node", "ntp", "create", "--servers", "a,b", "--servers", "fd00::1")

    assert controller.asked[0].body == {"servers": ["a", "b", "fd00::1"]}
