"""Agents that wait to be taken in: who they are, and what is decided of them."""

from controller.access import Caller
from controller.context import Context, answers
from controller.enrollment import Enrollment
from osapi import timeline
from osapi.calls import agent, enrollment
from osapi.enrollment import Request
from osapi.errors import Conflict


@answers(enrollment.Pending)
async def pending(context: Context, _call: enrollment.Pending, _caller: Caller) -> enrollment.PendingAgents:
    enrolling = wanted(context)
    found = [
        enrollment.PendingAgentInfo(
            machine_id=request.machine_id,
            hostname=request.hostname,
            fingerprint=request.key.fingerprint,
            requested_at=request.requested_at,
            former_fingerprint=enrolling.former_fingerprint(request),
        )
        for request in enrolling.pending()
    ]
    return enrollment.PendingAgents(agents=found, total=len(found))


@answers(enrollment.Accept)
async def accept(context: Context, call: enrollment.Accept, caller: Caller) -> agent.Told:
    enrolling = wanted(context)
    request = enrolling.find(call.hostname, call.fingerprint)
    await enrolling.accept(request, caller.user)
    await tell(context, request, "accepted", caller)
    return agent.Told(message=f"accepted {request.hostname} with {request.key.fingerprint}")


@answers(enrollment.Reject)
async def reject(context: Context, call: enrollment.Reject, caller: Caller) -> agent.Told:
    enrolling = wanted(context)
    request = enrolling.find(call.hostname)
    await enrolling.reject(request, caller.user)
    await tell(context, request, "rejected", caller)
    return agent.Told(message=f"rejected {request.hostname} with {request.key.fingerprint}")


def wanted(context: Context) -> Enrollment:
    """The agents that ask; `Conflict` where no controller listens to them."""
    if context.enrollment is None:
        raise Conflict("enrollment is off; set controller.pki.enabled: true, and restart the controller")
    return context.enrollment


async def tell(context: Context, request: Request, event: str, caller: Caller) -> None:
    told = f"{event} by {caller.user}, with {request.key.fingerprint}"
    await timeline.tell(context.buckets.timeline, request.machine_id, request.hostname, event, told)
