"""The facts that parameters can refer to."""

from controller.access import Caller
from controller.context import Context, answers
from osapi.calls import facts
from osapi.facts import BUILTIN


@answers(facts.Keys)
async def keys(_context: Context, _call: facts.Keys, _caller: Caller) -> facts.FactKeys:
    return facts.FactKeys(
        keys=[facts.FactKey(key=key, description=words, builtin=True) for key, words in BUILTIN]
    )
