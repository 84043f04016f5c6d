"""The facts that any string parameter can refer to as `@fact.KEY`; agents put them in its place."""

BUILTIN: tuple[tuple[str, str], ...] = (
    ("interface.primary", "Network interface of the default route"),
    ("hostname", "Name the agent goes by"),
    ("arch", "Processor architecture, such as x86_64"),
    ("kernel", "Release of the running kernel, such as 6.1.0-18-amd64"),
    ("fqdn", "Host name with its domain"),
    ("containerized", "Whether the host is a container: true or false"),
)
"""Key and description. `custom.KEY` is any other fact of a host."""
