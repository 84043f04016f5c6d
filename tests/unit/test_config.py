"""The configuration: every key, where its value comes from, and what is said of a wrong one."""

import json
from typing import Literal, get_args, get_origin

import attrs
import pytest

from osapi.config import Config, Role, User, check, load, masked
from osapi.config.loading import NO_EFFECT, NOT_YET, leaves
from osapi.configfile import STATE_KEY, TOKEN_KEY, URL_KEY, variable
from osapi.durations import Duration
from osapi.errors import ConfigError

KEY = "0123456789abcdef" * 4
NKEY = "U" + "A" * 55


def value_of(config, key):
    for name in key.split("."):
        config = config[name] if isinstance(config, dict) else getattr(config, name)
    return config


def annotation_of(key):
    kind = Config
    for name in key.split("."):
        annotation = next(field.type for field in attrs.fields(kind) if field.name == name)
        kind = annotation
    return annotation


def test_without_a_file_everything_has_a_value_that_works():
    config = load(None, {})

    assert config == Config()
    assert config.controller.api.port == 8080
    assert config.controller.api.rate_limit.per_second == 200
    assert config.controller.nats.host == config.agent.nats.host == "localhost"
    assert config.nats.server.host == "127.0.0.1"
    assert config.nats.kv.ttl == 7 * 86400
    assert config.nats.facts.bucket == "agent-facts"
    assert check(None, {}).problems == []


EVERY_LEAF = {
    "state_dir": "/srv/osapi",
    "controller.client.url": "https://osapi.example:8443",
    "controller.client.security.bearer_token": "a.b.c",
    "controller.api.security.signing_key": KEY,
    "controller.api.security.cors.allow_origins": "https://a.example,*",
    "controller.api.trusted_proxies": "10.0.0.5,10.1.0.0/16",
    "controller.audit.key": "0f" * 32,
    "controller.audit.trusted_keys": "T7036cQOXPoW88C29RbfW7ML8WtuPgarPt36lpXD4Fg=",
    "controller.nats.host": "one,two:4333",
    "agent.nats.host": "one,two:4333",
    "agent.labels": "group=web.dev,rack=12",
    "agent.consumer.back_off": "1s,2s",
    "nats.server.auth.users": "alice=one,bob=two",
    "nats.server.auth.nkeys": NKEY,
    "agent.hostname": "web-01",
    "agent.files.allow": "/etc,/srv",
    "agent.files.refuse": "/etc/shadow*",
    "blobs.nats.bucket": "other",
    "blobs.s3.endpoint": "s3.example.org",
    "blobs.s3.region": "eu-central-1",
    "blobs.fs.path": "/srv/blobs",
    "blobs.references.file_roots": "/srv/images",
    "blobs.references.s3_buckets": "images,isos",
    "blobs.references.allow": "127.0.0.1,10.0.0.0/8",
    "telemetry.tracing.headers": "x-api-key=some",
    "telemetry.tracing.sample_ratio": "0.5",
}


def example(leaf):
    annotation = annotation_of(leaf.key)
    plain = getattr(annotation, "__origin__", annotation)
    if leaf.key in EVERY_LEAF:
        return EVERY_LEAF[leaf.key]
    if get_origin(annotation) is Literal:
        return next(word for word in get_args(annotation) if word not in {leaf.value, ""})
    if plain is bool:
        return "false" if leaf.value else "true"
    if plain is Duration:
        return "17s"
    return "3" if plain in {int, float} else "some"


def test_every_key_can_be_set_by_its_variable():
    variables = {variable(leaf.key): example(leaf) for leaf in leaves(Config())}
    variables |= {variable(f"{side}.nats.auth.nkey_file"): "/seed" for side in ("controller", "agent")}

    # Names of buckets must differ, so each key is set alone.
    for leaf in leaves(Config()):
        name = variable(leaf.key)
        config = check(None, {name: variables[name]}).config

        assert value_of(config, leaf.key) != leaf.value, leaf.key

    assert len(variables) == len(list(leaves(Config())))


def test_lists_maps_and_users_come_from_one_line():
    config = load(
        None,
        {
            "OSAPI_AGENT_LABELS": "group=web.dev, rack=12",
            "OSAPI_CONTROLLER_API_SECURITY_CORS_ALLOW_ORIGINS": "https://a.example, http://b.example:81",
            "OSAPI_NATS_SERVER_AUTH_USERS": "alice=one,bob=t=wo",
        },
    )

    assert config.agent.labels == {"group": "web.dev", "rack": "12"}
    assert config.controller.api.security.cors.allow_origins == ["https://a.example", "http://b.example:81"]
    assert config.nats.server.auth.users == [
        User(username="alice", password="one"),
        User(username="bob", password="t=wo"),
    ]


def test_the_environment_beats_the_file_which_beats_the_default(written):
    path = written("controller: {api: {port: 1111, job_timeout: 1h30m}}\nagent: {max_jobs: 3}\n")

    config = load(path, {"OSAPI_CONTROLLER_API_PORT": "2222", "OSAPI_AGENT_MAX_JOBS": ""})

    assert config.controller.api.port == 2222
    assert config.controller.api.job_timeout == 5400
    assert config.agent.max_jobs == 3
    assert config.agent.drain_timeout == 30


WHOLE = f"""
debug: true
controller:
  client: {{url: "http://10.0.0.1:8080/", security: {{bearer_token: eyJ.eyJ.x}}}}
  api:
    host: "::1"
    port: "8081"
    security:
      signing_key: {KEY}
      cors: {{allow_origins: [http://localhost:3001, "*"]}}
      roles: {{ops: {{permissions: [node:read, docker:write]}}, empty: }}
  nats: {{host: localhost, port: 4222, client_name: api, namespace: osapi, auth: {{type: none}}}}
  notifications: {{enabled: false, notifier: log, renotify_interval: 1m}}
  pki:
agent:
  nats: {{auth: {{type: user_pass, username: a, password: "p w"}}}}
  consumer: {{name: jobs-agent, back_off: [30s, 2m]}}
  labels: {{group: web.dev.us-east}}
  process_conditions: {{high_cpu_percent: 12.5}}
nats:
  server: {{auth: {{type: user_pass, users: [{{username: a, password: "p w"}}]}}, store_dir: /x}}
  stream: {{name: JOBS, subjects: "jobs.>", max_age: 24h, max_msgs: 10000, storage: memory, discard: old}}
  kv: {{ttl: 0, replicas: 0}}
  objects: {{max_bytes: 10737418240}}
telemetry: {{tracing: {{exporter: "", enabled: true}}}}
"""


def test_a_whole_file_is_understood(written):
    path = written(WHOLE)

    config = load(path, {})

    assert config.debug is True
    assert config.controller.api.port == 8081
    assert config.controller.api.security.roles == {
        "ops": Role(permissions=["node:read", "docker:write"]),
        "empty": Role(),
    }
    assert config.agent.consumer.back_off == [30, 120]
    assert config.nats.kv.ttl == 0
    assert config.nats.kv.replicas == 1
    assert config.nats.server.auth.users == [User(username="a", password="p w")]
    assert config.agent.process_conditions.high_cpu_percent == 12.5


BAD = [
    ("controller: {api: {port: 70000}}", "controller.api.port: 70000 is not a port; allowed: 1 to 65535"),
    ("controller: {api: {port: x}}", "controller.api.port: 'x' is not a port; allowed: 1 to 65535"),
    ("controller: {api: {port: true}}", "controller.api.port: True is not a port; allowed: 1 to 65535"),
    ("controller: {api: {prot: 1}}", "controller.api.prot: not a known key; did you mean controller.api.port?"),
    ("controller: {api: {nats: {port: 1}}}", "controller.api.nats: not a known key; did you mean controller."),
    ("contoller: {}", "contoller: not a known key; did you mean controller?"),
    ("xyz: {}", "xyz: not a known key; allowed: debug, state_dir, controller, agent, nats, blobs, telemetry"),
    ("1: {}", "1: not a known key"),
    ("agent: 5", "agent: not a section; allowed in it: nats, consumer"),
    ("agent: [a]", "agent: not a section"),
    ("debug: maybe", "debug: 'maybe' is not true or false; allowed: true, false"),
    ("debug: [1]", "debug: [1] is not true or false"),
    ("controller: {api: {job_timeout: 30}}", "job_timeout: 30 is not a duration above 0; allowed: such as"),
    ("controller: {api: {job_timeout: 30 s}}", "job_timeout: '30 s' is not a duration"),
    ("controller: {api: {job_timeout: 0}}", "job_timeout: 0 is not a duration above 0"),
    ("agent: {drain_timeout: -1s}", "drain_timeout: '-1s' is not a duration; allowed: such as 90s"),
    ("agent: {drain_timeout: false}", "drain_timeout: False is not a duration"),
    ("agent: {max_jobs: 0}", "agent.max_jobs: 0 is not a whole number above 0; allowed: 1 or more"),
    ("agent: {max_jobs: 1.5}", "agent.max_jobs: 1.5 is not"),
    ("agent: {conditions: {memory_pressure_threshold: 101}}", "101 is not a percentage; allowed: 1 to 100"),
    ("agent: {conditions: {high_load_multiplier: 0}}", "0 is not a number above 0"),
    ("agent: {conditions: {high_load_multiplier: .nan}}", "nan is not a number above 0"),
    ("agent: {conditions: {high_load_multiplier: [1]}}", "[1] is not a number above 0"),
    ("agent: {labels: {a b: c}}", "agent.labels: {'a b': 'c'} is not a set of labels; allowed: up to 5"),
    ("agent: {labels: {a: b.}}", "agent.labels: {'a': 'b.'} is not"),
    ("agent: {labels: {a: 1.10}}", "agent.labels: {'a': 1.1} is not"),
    ("agent: {labels: {a: a, b: a, c: a, d: a, e: a, f: a}}", "is not a set of labels; allowed: up to 5"),
    ("agent: {labels: [a]}", "agent.labels: ['a'] is not a set of labels"),
    ("agent: {hostname: 'a:b'}", "agent.hostname: 'a:b' is not a host name"),
    ("agent: {hostname: _any}", "agent.hostname: '_any' is not a host name"),
    ("agent: {nats: {host: 'nats://x'}}", "agent.nats.host: 'nats://x' is not a list of brokers; allowed: host,"),
    ("agent: {nats: {host: ''}}", "agent.nats.host: '' is not a list of brokers"),
    ("agent: {nats: {host: 'a,,b'}}", "agent.nats.host: 'a,,b' is not"),
    ("agent: {nats: {namespace: a.b}}", "agent.nats.namespace: 'a.b' is not a namespace"),
    ("agent: {nats: {auth: {type: tls}}}", "'tls' is not known; allowed: none, user_pass, nkey"),
    ("agent: {nats: {auth: {type: nkey}}}", "agent.nats.auth.nkey_file: empty, and agent.nats.auth.type is nkey"),
    ("agent: {nats: {auth: {type: user_pass, username: a}}}", "agent.nats.auth.password: empty, and"),
    ("agent: {nats: {auth: {username: 12}}}", "agent.nats.auth.username: 12 is not a line of text; allowed: text"),
    ("agent: {consumer: {replay_policy: late}}", "'late' is not known; allowed: instant, original"),
    ("nats: {kv: {storage: disk}}", "nats.kv.storage: 'disk' is not known; allowed: file, memory"),
    ("nats: {kv: {bucket: a.b}}", "nats.kv.bucket: 'a.b' is not the name of a bucket"),
    ("nats: {kv: {bucket: x, response_bucket: x}}", "'x' is the bucket of nats.kv.bucket already; allowed: a name"),
    ("nats: {kv: {ttl: forever}}", "nats.kv.ttl: 'forever' is not a duration"),
    ("nats: {kv: {replicas: 6}}", "nats.kv.replicas: 6 is not a number of replicas; allowed: 1 to 5"),
    ("nats: {kv: {max_bytes: -1}}", "nats.kv.max_bytes: -1 is not a size"),
    ("nats: {stream: {discard: all}}", "nats.stream.discard: 'all' is not known; allowed: old, new"),
    ("nats: {registry: {ttl: 2s}}", "nats.registry.ttl: 2s leaves no time to beat; allowed: 3s or more"),
    ("nats: {server: {auth: {type: user_pass}}}", "nats.server.auth.users: empty, and nats.server.auth.type is"),
    ("nats: {server: {auth: {users: [{username: a}]}}}", "users: the value is not a list of users; allowed: a user"),
    ("nats: {server: {auth: {users: [alice]}}}", "users: the value is not a list of users"),
    ("nats: {server: {auth: {nkeys: [SUSECRET]}}}", "nkeys: the value is not a list of public nkeys"),
    ("controller: {client: {url: 'ftp://x'}}", "'ftp://x' is not a URL; allowed: such as http://127.0.0.1:8080"),
    ("controller: {client: {url: 'http://a:b@x'}}", "is not a URL"),
    ("controller: {api: {security: {signing_key: SHORT}}}", "signing_key: the value is not a signing key; allowed: 16"),
    ("controller: {api: {security: {cors: {allow_origins: [x]}}}}", "['x'] is not a list of origins; allowed: *"),
    ("controller: {api: {security: {cors: {allow_origins: 5}}}}", "5 is not a list of origins"),
    ("controller: {api: {security: {roles: {ops: {permissions: [node:fly]}}}}}", "'node:fly' is not a permission; al"),
    ("controller: {api: {security: {roles: {ops: {perms: []}}}}}", "roles.ops.perms: not a known key; did you mean"),
    ("controller: {api: {security: {roles: [ops]}}}", "controller.api.security.roles: not a section"),
    ("telemetry: {tracing: {exporter: file}}", "'file' is not known; allowed: \"\", none, stdout, otlp"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), BAD)
def test_what_is_wrong_is_told_in_one_line_with_file_key_value_and_what_is_allowed(written, text, expected):
    path = written(text)

    with pytest.raises(ConfigError) as caught:
        load(path, {})

    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert expected in message
    assert "\n" not in message
    assert not {"SHORT", "SUSECRET"} & set(message.split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1", "not YAML: did not find expected ',' or ']'"),
        ("a: b: c", "line 1, column 5: not YAML: mapping values are not allowed"),
        ("debug: true\ndebug: false", "line 2, column 1: the key debug is there twice"),
        ("agent: {nats: {port: 1, port: 2}}", "the key port is there twice"),
        ("- a", "holds no keys; expected: lines such as `debug: true`"),
        ("text", "holds no keys"),
        ("debug: \x01", "not YAML"),
        ("a: !!python/object:os.system x", "not YAML: could not determine a constructor"),
        ("a: 2024-99-99", "not YAML"),
        ("? [a]\n: b", "not YAML: found unhashable key"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused_with_the_place(written, text, expected):
    path = written(text)

    with pytest.raises(ConfigError) as caught:
        load(path, {})

    assert str(caught.value).startswith(f"{path}: ")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_file_is_all_defaults(written):
    assert load(written("# nothing yet\n"), {}) == load(written(""), {}) == Config()


def test_a_file_that_is_not_there_or_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"missing.yaml: no such file"):
        load(tmp_path / "missing.yaml", {})
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory"):
        load(tmp_path, {})
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(ConfigError, match=r"binary.yaml: .*not YAML"):
        load(tmp_path / "binary.yaml", {})


def test_a_wrong_variable_is_named_as_the_source():
    with pytest.raises(ConfigError) as caught:
        load(None, {"OSAPI_AGENT_NATS_PORT": "99999"})

    assert str(caught.value) == (
        "OSAPI_AGENT_NATS_PORT: agent.nats.port: '99999' is not a port; allowed: 1 to 65535"
    )


def test_a_check_finds_everything_where_a_start_stops_at_the_first(written):
    path = written("debug: maybe\nagent: {max_jobs: 0, nats: {auth: {type: nkey}}}\n")

    report = check(path, {"OSAPI_NATS_KV_TTL": "x"})

    assert [line.split(": ")[1] for line in report.problems] == [
        "debug",
        "agent.max_jobs",
        "nats.kv.ttl",
        "agent.nats.auth.nkey_file",
    ]
    with pytest.raises(ConfigError, match="debug"):
        load(path, {"OSAPI_NATS_KV_TTL": "x"})


def test_a_check_notes_what_has_no_effect_and_what_is_unsafe(written):
    path = written(
        "nats: {dlq: {max_age: 1h}}\n"
        "controller: {ui: {enabled: false}, api: {security: {signing_key: 0123456789abcdef}}}\n"
    )
    path.chmod(0o644)

    report = check(path, {"OSAPI_AGENT_CONSUMER_NAME": "x", "OSAPI_AGENT_MAXJOBS": "3", "OSAPI_OTHER": "x"})

    assert report.problems == []
    assert report.notes == [
        f"{path}: controller.ui.enabled: has no effect in this version",
        "OSAPI_AGENT_CONSUMER_NAME: agent.consumer.name: has no effect",
        f"{path}: nats.dlq.max_age: has no effect",
        "OSAPI_AGENT_MAXJOBS: has no effect; did you mean OSAPI_AGENT_MAX_JOBS?",
        "controller.api.security.signing_key: short; 32 characters are safe (RFC 7518)",
        f"{path}: others can read it, and it holds secrets; chmod 600 {path}",
    ]


def test_a_broker_that_lets_everybody_in_is_noted(written):
    report = check(written("nats: {server: {host: 0.0.0.0}}\n"), {})

    assert any("commands the agents" in note for note in report.notes)


def test_the_sections_without_effect_are_there():
    keys = [leaf.key for leaf in leaves(Config())]

    assert all(any(key.startswith(section) for key in keys) for section in NO_EFFECT + NOT_YET)


def test_the_command_line_reads_keys_that_there_are():
    assert {URL_KEY, TOKEN_KEY, STATE_KEY} <= {leaf.key for leaf in leaves(Config())}


def test_no_two_keys_share_a_variable():
    names = [variable(leaf.key) for leaf in leaves(Config())]

    assert len(names) == len(set(names))


def test_what_is_shown_holds_no_secret():
    secrets = {
        "OSAPI_CONTROLLER_CLIENT_SECURITY_BEARER_TOKEN": "SECRET-token",
        "OSAPI_CONTROLLER_API_SECURITY_SIGNING_KEY": "SECRET-signing-key-of-some-length",
        "OSAPI_CONTROLLER_AUDIT_KEY": "5ec7e7" * 10 + "5ec7",
        "OSAPI_CONTROLLER_NATS_AUTH_PASSWORD": "SECRET-password",
        "OSAPI_AGENT_NATS_AUTH_PASSWORD": "SECRET-password",
        "OSAPI_NATS_SERVER_AUTH_USERS": "alice=SECRET-password",
        "OSAPI_NATS_SERVER_AUTH_NKEYS": NKEY,
        "OSAPI_TELEMETRY_TRACING_HEADERS": "x-api-key=SECRET-header",
    }

    shown = masked(load(None, secrets))

    text = json.dumps(shown)
    assert "SECRET" not in text
    assert NKEY not in text
    assert "5ec7e7" not in text
    assert shown["nats"]["server"]["auth"] == {
        "type": "none",
        "users": [{"username": "alice", "password": "****"}],
        "nkeys": ["****"],
    }
    assert shown["controller"]["api"]["security"]["signing_key"] == "****"
    assert shown["controller"]["nats"]["auth"]["password"] == "****"
    assert shown["nats"]["kv"]["ttl"] == "168h0m0s"
    assert len(secrets) == sum(leaf.kind.secret for leaf in leaves(Config()))
