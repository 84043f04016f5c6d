"""How an operation finds its provider, and each way it can end."""

import attrs
import pytest
import trio
from structlog.testing import capture_logs

from agent.dispatch import HANDLERS, Performed, load, perform, performs
from agent.host import Host
from osapi.errors import BadInput, CommandFailed, Conflict, NotFound, TimedOut, Unavailable, Unsupported
from osapi.jobs import State
from osapi.operation import Operation, operations
from osapi.results import Changed, FilePlan, Plan


class Try(Operation[Changed], PUT="/try"):
    """End in one of the ways below."""

    way: str


class TryWidely(Operation[Changed], PUT="/try-widely"):
    """The same, on some families only."""


ERRORS = {
    "not found": NotFound("there is no web-01"),
    "conflict": Conflict("it is there"),
    "command": CommandFailed(["apt-get"], 100, "locked\n"),
    "timeout": TimedOut("apt-get took longer than 60 s"),
    "bad input": BadInput("no fact `os`"),
    "unavailable": Unavailable("the broker is away"),
    "unsupported": Unsupported("needs systemd"),
    "crash": ZeroDivisionError("oops"),
    "one in a nursery": ExceptionGroup("", [ExceptionGroup("", [NotFound("deep")])]),
    "two in a nursery": ExceptionGroup("", [NotFound("one"), NotFound("other")]),
}


@performs(Try)
async def try_(host: Host, p: Try) -> Changed:
    await host.write("/etc/tried", "yes\n")
    if p.way in ERRORS:
        raise ERRORS[p.way]
    if p.way == "never":
        await trio.sleep_forever()
    return Changed(changed=p.way == "changed")


@performs(TryWidely, "debian", "redhat")
async def try_widely(_host: Host, _: TryWidely) -> Changed:
    return Changed()


@pytest.fixture
def host(tmp_path):
    return Host(root=tmp_path, family="debian")


@pytest.mark.parametrize(("way", "changed"), [("changed", True), ("unchanged", False)])
async def test_a_result_completes_it(host, way, changed):
    performed = await perform(host, Try(way=way))

    assert performed == Performed(state=State.COMPLETED, result=Changed(changed=changed), changed=changed)


@pytest.mark.parametrize(
    ("way", "state", "code", "error"),
    [
        ("not found", State.FAILED, "not_found", "there is no web-01"),
        ("conflict", State.FAILED, "conflict", "it is there"),
        ("command", State.FAILED, "command_failed", "apt-get exited with 100: locked"),
        ("timeout", State.FAILED, "timeout", "apt-get took longer than 60 s"),
        ("bad input", State.FAILED, "bad_input", "no fact `os`"),
        ("unavailable", State.FAILED, "unavailable", "the broker is away"),
        ("unsupported", State.SKIPPED, "unsupported", "needs systemd"),
        ("one in a nursery", State.FAILED, "not_found", "deep"),
    ],
)
async def test_an_error_ends_it_with_its_message_and_code(host, way, state, code, error):
    performed = await perform(host, Try(way=way))

    assert performed == Performed(state=state, code=code, error=error)


@pytest.mark.parametrize("way", ["crash", "two in a nursery"])
async def test_what_nobody_foresaw_fails_it_and_is_logged_with_a_traceback(host, way):
    with capture_logs() as logs:
        performed = await perform(host, Try(way=way))

    assert performed == Performed(
        state=State.FAILED, code="internal", error="internal error, see the agent's log"
    )
    [entry] = logs
    assert (entry["event"], entry["exc_info"]) == ("provider broke", ERRORS[way])


async def test_being_cancelled_is_no_ending(host):
    with trio.move_on_after(0) as scope:
        await perform(host, Try(way="never"))

    assert scope.cancelled_caught


@pytest.mark.parametrize("way", ["changed", "not found"])
async def test_a_dry_run_has_a_plan_however_it_ends(host, way):
    performed = await perform(attrs.evolve(host, dry=True), Try(way=way))

    diff = "new file mode 100644\n--- /dev/null\n+++ /etc/tried\n@@ -0,0 +1 @@\n+yes\n"
    assert performed.plan == Plan(
        files=[
            FilePlan(path="/etc", action="created", diff="new file mode 040755\n"),
            FilePlan(path="/etc/tried", action="created", diff=diff),
        ]
    )
    assert not (host.root / "etc").exists()


async def test_other_families_skip_it_and_hear_why(host):
    here = await perform(host, TryWidely())
    there = await perform(attrs.evolve(host, family="alpine"), TryWidely())

    assert here.state is State.COMPLETED
    assert (there.state, there.code) == (State.SKIPPED, "unsupported")
    assert there.error.endswith("not supported on alpine, only on debian, redhat")


def test_a_provider_that_returns_something_else_is_refused_at_import():
    class TryWrongly(Operation[Changed], PUT="/try-wrongly"):
        """Return something else."""

    async def wrongly(_host: Host, _: TryWrongly) -> str:
        return ""

    with pytest.raises(AssertionError, match="must return"):
        performs(TryWrongly)(wrongly)


def test_two_providers_of_one_operation_are_refused():
    with pytest.raises(AssertionError, match="performed twice"):
        performs(Try)(try_)


def test_load_finds_a_provider_for_every_operation():
    load()

    assert set(operations().values()) <= set(HANDLERS)
