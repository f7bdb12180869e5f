"""What the chaos run prints."""

from collections.abc import Mapping

from tests.chaos.plan import Plan
from tests.chaos.promises import never, twice, unknown
from tests.chaos.round import Result
from tests.chaos.service import Victim

EXPLANATION = """\
Campaigns go through `espalier serve` with two dispatchers to an ESP that answers 2 % of the
requests 429, 2 % 503, accepts 2 % without an answer, and drops 1 % unread. Meanwhile kill -9 hits
a dispatcher (D), the API (A), or everything at once (E). Then every message is looked up in both
accounts, the service's and the ESP's.
  twice    messages that the ESP accepted more than once
  never    messages that it never accepted
  unknown  messages of which the service says that it cannot know
"""
HEADER = (
    f"{'guarantee':14} {'a request':>9} {'messages':>9}  {'kills (D+A+E)':14} "
    f"{'twice':>6} {'never':>6} {'unknown':>8} {'seconds':>8}  promises"
)


def row(result: Result) -> str:
    plan, account = result.plan, result.account
    return (
        f"{plan.mode:14} {plan.batch:9} {len(account.messages):9}  {_kills(account.kills):14} "
        f"{account.number(twice):6} {account.number(never):6} {account.number(unknown):8} "
        f"{result.seconds:8.1f}  {'BROKEN' if result.broken else 'kept'}"
    )


def again(plan: Plan) -> str:
    """The command that repeats a round."""
    return (
        f"python -m tests.chaos --mode {plan.mode} --batch {plan.batch} --seed {plan.seed} "
        f"--messages {plan.messages} --seconds {plan.seconds:g}"
    )


def _kills(kills: Mapping[Victim, int]) -> str:
    each = (kills.get(victim, 0) for victim in Victim)
    return f"{sum(kills.values())} ({'+'.join(map(str, each))})"
