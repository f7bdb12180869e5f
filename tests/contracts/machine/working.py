"""What workers do, each in any order, and the ESP's answers to them."""

from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from domain.callback import CallbackType
from domain.chunk import OpenRequest
from domain.circuit import FAILURES_TO_OPEN
from domain.errors import TryLater
from domain.message import MessageState
from services.ports import Recorded
from tests.contracts.bench import LEASE
from tests.contracts.machine.outside import Outside
from tests.contracts.machine.stage import among
from tests.contracts.machine.workers import Answer, Decision, Flight, Run, Worker

_ANYWHERE = 64
_PLACES = st.sampled_from([1, 2, _ANYWHERE])
_ANSWERS = st.sampled_from([*Answer, Answer.LOST])
_WAITS = st.sampled_from([False, False, True])
_COPIES = st.sampled_from([(), ("copy@example.com",)])
_UNSENT = st.sampled_from([MessageState.SUPPRESSED, MessageState.EXPIRED])
# Seconds until a request that is kept goes again, where no rule says otherwise.
_DELAY = 2


class Working(Outside):
    """The rules of workers. What `waits` is recorded together with the worker's next step."""

    has_stumbled = False

    def flights(self) -> list[Flight]:
        return [flight for worker in self.workers for flight in worker.flights()]

    def ready(self) -> list[Run]:
        """Runs that have something to post."""
        return [run for run in self.runs() if run.repeats(self.now) or run.unformed()]

    def unsent(self) -> list[Run]:
        return [run for run in self.runs() if run.unsent()]

    def idle(self) -> list[Run]:
        return [run for worker in self.workers for run in worker.idle()]

    @rule(
        worker=among(lambda self: self.workers),
        steps=st.integers(1, 4),
        answer=_ANSWERS,
        taken=st.booleans(),
        groups=st.booleans(),
        places=_PLACES,
    )
    def go_on(
        self, worker: Worker, steps: int, answer: Answer, taken: bool, groups: bool, places: int
    ) -> None:
        """What a worker does of its own accord. One that groups commits when it must."""
        for _ in range(steps):
            self._go_on(worker, answer, taken, groups, places)

    @rule(answer=_ANSWERS, taken=st.booleans())
    def all_go_on(self, answer: Answer, taken: bool) -> None:
        for worker in self.workers:
            self._go_on(worker, answer, taken, False, _ANYWHERE)

    def _go_on(
        self, worker: Worker, answer: Answer, taken: bool, groups: bool, places: int
    ) -> None:
        ready = [run for run in self.ready() if run in worker.runs and not run.stopped]
        if flights := worker.flights():
            self.answer(flights[0], answer, taken, _DELAY, groups)
        elif ready:
            self.intend(ready[0], 0, min(places, 2), 2, 1, (), places, groups)
        elif idle := worker.idle():
            self.release(idle[0], groups)
        elif worker.journal:
            self.commit(worker, groups)
        else:
            self.claim(worker, 2)

    @precondition(lambda self: self.due())
    @rule(worker=among(lambda self: self.workers), limit=st.integers(1, 3))
    def claim(self, worker: Worker, limit: int) -> None:
        due, queue = self.due(), self.queue_of(worker)
        claims = self.do(queue.claim(worker.name, limit=limit, lease_seconds=LEASE))
        claimed = {claim.chunk.key[:2] for claim in claims}
        assert claimed <= due
        assert len(claims) == len(claimed) == min(limit, len(due))
        for claim in claims:
            self.model.claimed(claim, worker.name, until=self.now + LEASE)
            run = Run(worker, claim, claim.chunk)
            worker.runs.append(run)
            if forgotten := claim.settled.intersection(run.unsent()):
                self._decided([run.forget(forgotten)], waits=False)

    @precondition(lambda self: self.ready())
    @rule(
        run=among(lambda self: self.ready()),
        skips=st.integers(0, 2),
        requests=st.integers(1, 3),
        messages=st.integers(1, 3),
        version=st.integers(1, 2),
        omitted=_COPIES,
        places=_PLACES,
        waits=_WAITS,
    )
    def intend(
        self,
        run: Run,
        skips: int,
        requests: int,
        messages: int,
        version: int,
        omitted: tuple[str, ...],
        places: int,
        waits: bool,
    ) -> None:
        """Some of what goes again or is new, with so many `messages` in each new request."""
        new = run.unformed()
        ready = run.repeats(self.now) + [
            OpenRequest(
                ordinals=tuple(new[i : i + messages]), provider_version=version, omitted=omitted
            )
            for i in range(0, len(new), messages)
        ]
        some = ready[skips : skips + requests] or ready[:1]
        self._decided([run.intend(some, places=places, now=self.now)], waits=waits)

    @precondition(lambda self: self.flights())
    @rule(
        flight=among(lambda self: self.flights()),
        answer=_ANSWERS,
        taken=st.booleans(),
        delay=st.sampled_from([0, 4]),
        waits=_WAITS,
    )
    def answer(self, flight: Flight, answer: Answer, taken: bool, delay: int, waits: bool) -> None:
        """`taken`: the ESP took what it gave no answer to, or all that is in flight with this."""
        run, is_lost = flight.run, answer is Answer.LOST
        accepts = answer is Answer.ACCEPTED or (flight.is_taken and not is_lost)
        flights = list(run.flights) if accepts and taken else [flight]
        for one in flights:
            run.flights.remove(one)
            if accepts or (is_lost and taken):
                self._take(one)
        if accepts:
            decision = run.accepted([one.request for one in flights])
        else:
            decision = run.failed(flight.request, answer, again_at=self.now + delay)
        self._decided([decision], waits=waits)

    @precondition(lambda self: self.flights())
    @rule(flight=among(lambda self: self.flights()), type=st.sampled_from(CallbackType))
    def overtake(self, flight: Flight, type: CallbackType) -> None:
        """The ESP takes a request, and reports on it before its answer is there."""
        self._take(flight)
        self.report(flight.messages()[-1], type, True)

    @precondition(lambda self: self.unsent())
    @rule(
        run=among(lambda self: self.unsent()), which=st.integers(0, 3), state=_UNSENT, waits=_WAITS
    )
    def leave_out(self, run: Run, which: int, state: MessageState, waits: bool) -> None:
        """One that is suppressed, or all that have not left."""
        ordinals = run.unsent()
        if state is MessageState.SUPPRESSED:
            ordinals = [ordinals[which % len(ordinals)]]
        self._decided(run.leave_out(ordinals, state), waits=waits)

    @precondition(lambda self: self.runs() and not self.has_stumbled)
    @rule(run=among(lambda self: self.runs()))
    def stumble(self, run: Run) -> None:
        """The ESP is down, and the circuit opens. Once: else hardly anything would go on."""
        self.has_stumbled = True
        self._decided([run.stumble() for _ in range(FAILURES_TO_OPEN)], waits=True)

    @precondition(lambda self: self.idle())
    @rule(run=among(lambda self: self.idle()), waits=_WAITS)
    def release(self, run: Run, waits: bool) -> None:
        # Nothing follows it.
        run.worker.runs.remove(run)
        self._decided([run.release()], waits=waits)

    @precondition(lambda self: any(worker.journal for worker in self.workers))
    @rule(
        worker=among(lambda self: [one for one in self.workers if one.journal]),
        again=st.booleans(),
    )
    def commit(self, worker: Worker, again: bool) -> None:
        """With `again`, the storage fails at first and must have kept nothing."""
        decisions, worker.journal = worker.journal, []
        steps = [decision.step for decision in decisions]
        if again:
            self.fail_storage(True)
            with pytest.raises(TryLater):
                self.do(self.queue_of(worker).record(steps))
            self.fail_storage(False)
        expected = self.model.record(steps, now=self.now)
        assert list(self.do(self.queue_of(worker).record(steps))) == expected
        for decision, recorded in zip(decisions, expected, strict=True):
            if recorded is Recorded.STORED:
                self._fly(decision)
            worker.learn(decision, recorded)

    @precondition(lambda self: self.runs())
    @rule(
        worker=among(lambda self: [one for one in self.workers if one.runs]),
        taken=st.integers(0, 15),
    )
    def crash(self, worker: Worker, taken: int) -> None:
        """It dies with all that it knew; of what was in flight the ESP took some."""
        for i, flight in enumerate(worker.flights()):
            if taken >> i & 1:
                self._take(flight)
        self.workers[self.workers.index(worker)] = Worker(next(self.names))

    def _decided(self, decisions: Iterable[Decision], *, waits: bool) -> None:
        for decision in decisions:
            decision.run.worker.journal.append(decision)
            if not waits:
                self.commit(decision.run.worker, False)

    def _fly(self, decision: Decision) -> None:
        resends = self.model.campaigns[decision.step.key.campaign_number].resends
        decision.run.flights += (
            Flight(decision.run, request, Counter(resends)) for request in decision.posting
        )

    def _take(self, flight: Flight) -> None:
        if not flight.is_taken:
            flight.is_taken = True
            self.model.taken.update(flight.messages())
