"""How long rendering takes, beside `orjson.dumps` of the already resolved payloads.

The floor gets its values for nothing: every text is resolved and every dict built before its clock
starts. Its strings even remember their UTF-8 from the round before, which no message that is sent
once could. Rendering starts from the recipients and makes the message ids as well.
Run it with `python -m tests.benchmarks.render`.
"""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from time import perf_counter
from typing import NamedTuple, TypeAlias

import orjson

from domain.campaign import Content, Recipient
from domain.message_id import MessageIds
from domain.provider import Batch, ProviderConfig, RequestType
from domain.rendering import RenderedRequest, Renderer
from tests.benchmarks import verdict

MESSAGES = 1_000
ROUNDS = 15
KEY = bytes(range(32))

_MESSAGE = """{
  "cid": "$$CampaignID", "fromName": "$$FromName", "from": "$$FromAddress", "to": "$$To",
  "mid": "$$MessageID", "uid": "$$userid", "html": "$$HTML", "plaintext": "$$Plaintext",
  "replyTo": "$$ReplyToAddress", "subject": "$$Subject"
}"""
# One section as the usual builders of HTML mail write it.
_BLOCK = """\
<table align="center" border="0" cellpadding="0" cellspacing="0" role="presentation" width="100%">
  <tbody>
    <tr>
      <td style="direction:ltr;font-size:0px;padding:20px 0;text-align:center;">
        <div class="mj-column-per-100 mj-outlook-group-fix" style="font-size:0px;width:100%;">
          <table border="0" cellpadding="0" cellspacing="0" role="presentation" width="100%">
            <tr>
              <td align="left" style="font-size:0px;padding:10px 25px;word-break:break-word;">
                <div style="font-family:'Open Sans',Arial;font-size:14px;color:#333333;">
                  Für Ihre nächste Bestellung schenken wir Ihnen 20 % Rabatt – nur bis Sonntag!
                  今週末まで。
                </div>
              </td>
            </tr>
            <tr>
              <td align="center" bgcolor="#0a7cff" role="presentation" valign="middle">
                <a href="https://shop.example.com/angebote?utm_source=mail&amp;utm_campaign=w42"
                   style="color:#ffffff;text-decoration:none;" target="_blank">Zum Angebot »</a>
              </td>
            </tr>
          </table>
        </div>
      </td>
    </tr>
  </tbody>
</table>
"""
_GREETING = "<p>Hallo $$first, Ihr Code <b>$$code</b> gilt in $$city.</p>\n"

Message: TypeAlias = tuple[int, Recipient]


class Case(NamedTuple):
    """What is measured; `limit` is the largest ratio to the floor that is good enough."""

    name: str
    html_bytes: int
    personal: bool
    batched: bool
    limit: float | None


class Result(NamedTuple):
    case: Case
    ours_ms: float
    floor_ms: float
    ratio: float


CASES = (
    Case("1,000 messages of 25 KB in one batch, shared HTML", 25_000, False, True, 0.5),
    Case("1,000 messages of 25 KB in one batch, three personal values", 25_000, True, True, 0.6),
    Case("1,000 messages of 2 KB in one batch, shared HTML", 2_000, False, True, None),
    Case("1,000 messages of 2 KB in one batch, three personal values", 2_000, True, True, None),
    Case("1,000 messages of 2 KB, one a request, shared HTML", 2_000, False, False, None),
    Case("1,000 messages of 2 KB, one a request, three personal values", 2_000, True, False, None),
)


def run(rounds: int = ROUNDS) -> list[Result]:
    """The medians of interleaved rounds, after a check that both sides say the same."""
    return [_measure(case, rounds) for case in CASES]


def _measure(case: Case, rounds: int) -> Result:
    content, messages = _content(case), _messages()
    renderer = _renderer(case, content)
    payloads = _resolved(case, content, messages)
    _check(renderer, messages, payloads)
    ours: list[float] = []
    floor: list[float] = []
    for _ in range(rounds):
        ours.append(_milliseconds(lambda: _drain(renderer, messages)))
        floor.append(_milliseconds(lambda: _dump(payloads)))
    ratios = [mine / theirs for mine, theirs in zip(ours, floor, strict=True)]
    return Result(case, median(ours), median(floor), median(ratios))


def _drain(renderer: Renderer, messages: Sequence[Message]) -> None:
    # One body at a time is alive, as when they are sent.
    for _ in renderer.render(messages):
        pass


def _dump(payloads: Sequence[object]) -> None:
    for payload in payloads:
        orjson.dumps(payload)


def _milliseconds(work: Callable[[], None]) -> float:
    start = perf_counter()
    work()
    return (perf_counter() - start) * 1_000


def _check(renderer: Renderer, messages: Sequence[Message], payloads: Sequence[object]) -> None:
    bodies = []
    for request in renderer.render(messages):
        assert isinstance(request, RenderedRequest), request
        assert request.request.body is not None
        bodies.append(request.request.body)
    assert len(bodies) == len(payloads)
    for body, payload in zip(bodies, payloads, strict=True):
        assert orjson.loads(body) == orjson.loads(orjson.dumps(payload))


def _html(case: Case) -> str:
    greeting = _GREETING if case.personal else ""
    size = len(_BLOCK.encode())
    return greeting + _BLOCK * ((case.html_bytes - len(greeting)) // size)


def _content(case: Case) -> Content:
    return Content(
        subject="20 % für Sie",
        from_name="Acme Läden",
        from_address="angebote@acme.example",
        html=_html(case),
        plaintext="Ihre Mail als Text",
    )


def _messages() -> list[Message]:
    return [
        (
            i,
            Recipient(
                f"person{i}@example.com",
                "",
                {"userid": f"u{i}", "first": f"Zoë {i}", "code": f'"{i:06}"', "city": "Köln"},
            ),
        )
        for i in range(MESSAGES)
    ]


def _renderer(case: Case, content: Content) -> Renderer:
    config = ProviderConfig(
        nickname="bench",
        request_type=RequestType.POST,
        http_endpoint="https://esp.example/send",
        parameters=f'{{"peid": "1", "msgs": [{_MESSAGE}]}}' if case.batched else _MESSAGE,
        batch=Batch(max_messages=MESSAGES) if case.batched else None,
    )
    ids = partial(MessageIds(KEY).campaign_messages, 1)
    return Renderer(config, content, campaign_id="c-1", message_ids=ids)


def _resolved(case: Case, content: Content, messages: Sequence[Message]) -> list[object]:
    ids = MessageIds(KEY).campaign_messages(1, [ordinal for ordinal, _ in messages])
    items: list[object] = [
        {
            "cid": "c-1",
            "fromName": content.from_name,
            "from": content.from_address,
            "to": recipient.email,
            "mid": message_id,
            "uid": recipient.replacements["userid"],
            "html": _personal(content.html, recipient),
            "plaintext": content.plaintext,
            "replyTo": "",
            "subject": content.subject,
        }
        for (_, recipient), message_id in zip(messages, ids, strict=True)
    ]
    return [{"peid": "1", "msgs": items}] if case.batched else items


def _personal(html: str, recipient: Recipient) -> str:
    for key, value in recipient.replacements.items():
        html = html.replace(f"$${key}", str(value))
    return html


def tell(result: Result) -> bool:
    """Print a line about a case; whether it is within its limit."""
    case, ours, floor, ratio = result
    met = case.limit is None or ratio <= case.limit
    judged = "" if case.limit is None else f"{case.limit} {verdict(met)}"
    print(f"{case.name:62} {ours:6.2f} ms {floor:6.2f} ms {ratio:6.2f}  {judged}", flush=True)
    return met


def main() -> bool:
    """Whether every limit is met."""
    print(f"{'case':62} {'ours':>9} {'floor':>9} {'ratio':>6}  limit")
    told = [tell(result) for result in run()]
    return all(told)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
