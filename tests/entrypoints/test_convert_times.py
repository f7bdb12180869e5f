import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from entrypoints.convert import times


@pytest.mark.parametrize("seconds", [0.0, 1_795_000_000.25, 1_795_000_000.123456, -1.5])
def test_a_time_comes_back_as_it_went(seconds: float) -> None:
    assert times.from_timestamp(times.to_timestamp(seconds)) == pytest.approx(seconds, abs=5e-7)
    assert times.timestamp_fault(times.to_timestamp(seconds), "t") is None


def test_a_time_before_the_epoch_has_nanos_that_count_forwards() -> None:
    assert times.to_timestamp(-1.5) == Timestamp(seconds=-2, nanos=500_000_000)


def test_a_time_that_rounds_up_to_a_whole_second_carries_over() -> None:
    assert times.to_timestamp(1.9999999) == Timestamp(seconds=2)


def test_no_time_leaves_the_field_unset() -> None:
    assert times.to_timestamp_or_none(None) is None
    assert times.to_timestamp_or_none(0.0) == Timestamp()


@pytest.mark.parametrize("seconds", [0.0, 0.001, 30.0, 3600.5, -2.25])
def test_a_duration_comes_back_as_it_went(seconds: float) -> None:
    assert times.from_duration(times.to_duration(seconds)) == seconds
    assert times.duration_fault(times.to_duration(seconds), "d") is None


@pytest.mark.parametrize(
    "timestamp",
    [
        Timestamp(seconds=1, nanos=-1),
        Timestamp(seconds=1, nanos=1_000_000_000),
        Timestamp(seconds=2**60),
        Timestamp(seconds=-(2**60)),
    ],
    ids=["negative nanos", "a whole second of nanos", "too late", "too early"],
)
def test_numbers_that_are_no_time_are_named(timestamp: Timestamp) -> None:
    violation = times.timestamp_fault(timestamp, "campaign.send_at")
    assert violation is not None
    assert (violation.field, violation.reason) == ("campaign.send_at", "INVALID_TIMESTAMP")


@pytest.mark.parametrize(
    "duration",
    [Duration(seconds=1, nanos=-1), Duration(nanos=1_000_000_000), Duration(seconds=2**60)],
    ids=["two signs", "a whole second of nanos", "too long"],
)
def test_numbers_that_are_no_duration_are_named(duration: Duration) -> None:
    violation = times.duration_fault(duration, "limits.timeout")
    assert violation is not None
    assert (violation.field, violation.reason) == ("limits.timeout", "INVALID_DURATION")
