import pytest

from osapi.config import load
from osapi.config.loading import check, masked
from osapi.config.telemetry import Tracing
from osapi.errors import ConfigError


def tracing(tmp_path, text: str) -> Tracing:
    path = tmp_path / "osapi.yaml"
    path.write_text(f"telemetry: {{tracing: {text}}}\n")
    return load(path, {}).telemetry.tracing


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("{}", "http://localhost:4317"),
        ("{otlp_endpoint: 'collector:4317'}", "http://collector:4317"),
        ("{otlp_endpoint: 'https://[::1]:4317'}", "https://[::1]:4317"),
        ("{protocol: http}", "http://localhost:4318/v1/traces"),
        ("{protocol: http, otlp_endpoint: 'https://a.example/otlp/'}", "https://a.example/otlp/v1/traces"),
        ("{protocol: http, otlp_endpoint: 'https://a.example/v1/traces'}", "https://a.example/v1/traces"),
    ],
)
def test_an_address_is_completed_as_the_protocol_has_it(tmp_path, text, url):
    assert tracing(tmp_path, text).url == url


def test_headers_are_read_from_the_environment_and_never_shown(tmp_path):
    environ = {"OSAPI_TELEMETRY_TRACING_HEADERS": "Authorization=Bearer s3cret,X-Scope=ours"}

    config = load(None, environ)

    assert config.telemetry.tracing.headers == {"Authorization": "Bearer s3cret", "X-Scope": "ours"}
    assert "s3cret" not in repr(masked(config))


BAD = [
    ("{exporter: jaeger}", "'jaeger' is not known; allowed: \"\", none, stdout, otlp"),
    ("{protocol: udp}", "'udp' is not known; allowed: grpc, http"),
    ("{otlp_endpoint: 'ftp://x'}", "'ftp://x' is not the address of a collector; allowed: such as localhost:4317"),
    ("{otlp_endpoint: 'http://u:p@x'}", "is not the address of a collector"),
    ("{sample_ratio: 1.5}", "sample_ratio: 1.5 is not a share; allowed: 0 to 1"),
    ("{sample_ratio: -0.1}", "sample_ratio: -0.1 is not a share"),
    ("{timeout: 0}", "timeout: 0 is not a duration above 0"),
    ("{headers: {'a b': s3cret}}", "headers: the value is not a set of headers; allowed: name: value"),
    ('{headers: {a: "s3cret\\n"}}', "headers: the value is not a set of headers"),
    ("{headers: {grpc-timeout: s3cret}}", "headers: the value is not a set of headers"),
    ("{headers: {key-bin: s3cret}}", "headers: the value is not a set of headers"),
    ("{tls: {ca_file: /x}}", "tls.ca_file: given, and telemetry.tracing.otlp_endpoint http://localhost:4317 is "),
    ("{otlp_endpoint: 'https://x', tls: {cert_file: /x}}", "tls.key_file: empty, and telemetry.tracing.tls.cert_file"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), BAD)
def test_what_is_wrong_ends_the_start_in_one_line_that_tells_no_secret(tmp_path, text, expected):
    with pytest.raises(ConfigError) as caught:
        tracing(tmp_path, text)

    message = str(caught.value)
    assert expected in message
    assert "\n" not in message
    assert "s3cret" not in message


def test_every_key_has_its_effect(tmp_path):
    path = tmp_path / "osapi.yaml"
    path.write_text("telemetry: {tracing: {enabled: true, exporter: otlp}}\n")

    assert not [note for note in check(path, {}).notes if "telemetry" in note]
