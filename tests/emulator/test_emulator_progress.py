"""What becomes of messages: states over time, fates by seed, and a clock that tests own."""

from __future__ import annotations

from collections import Counter

import pytest
from gateway_caller import element, phones

from esms_connectors.emulator import Progress, VirtualClock
from esms_connectors.emulator.progress import local_text, local_text_ms, mix, moment_ms, unmix

STEADY = {"review_seconds": (10, 10), "queue_seconds": (2, 2), "report_seconds": (5, 5)}


def test_message_progresses_from_queued_to_operator_to_final(make_caller):
    """2/2 -> 7/2 -> 5/1, with SentTime moving from creation to the hand-over."""
    caller = make_caller(progress=Progress(failed_share=0, rejected_share=0, **STEADY))
    caller.care()
    seen = []
    for _ in range(8):
        row = caller.sent()["SentData"][0]
        seen.append((row["SendStatus"], row["SendResult"], int(row["SentTime"][6:19]) - 1_715_738_400_000))
        caller.emulator.advance(1)
    assert seen == [(2, 2, 0)] * 2 + [(7, 2, 2000)] * 5 + [(5, 1, 2000)]


def test_advertising_starts_in_review(make_caller):
    """1/2 until reviewed."""
    caller = make_caller(progress=Progress(failed_share=0, rejected_share=0, **STEADY))
    caller.advertising(phones(30))
    seen = []
    for step in (0, 9.999, 0.001, 2, 5):
        caller.emulator.advance(step)
        seen.append(set(caller.statuses()))
    assert seen == [{(1, 2)}, {(1, 2)}, {(2, 2)}, {(7, 2)}, {(5, 1)}]


def test_rejected_advertising_batch_is_rejected_as_a_whole(make_caller):
    """4/0 for every number; get_send_status has no 4 and shows it as failed."""
    caller = make_caller(progress=Progress(rejected_share=1.0))
    message_id = caller.advertising(phones(30))["SMSID"]
    caller.emulator.advance(60)
    assert Counter(caller.statuses()) == {(4, 0): 30}
    status = caller.status(message_id)
    assert (status["SendStatus"], status["SendFailed"], status["TotalSent"]) == (5, 30, 0)


def test_scheduled_message_waits_until_its_send_time(make_caller):
    """SendDate is Vietnamese local time."""
    caller = make_caller(progress=Progress(failed_share=0, rejected_share=0, **STEADY))
    caller.care(SendDate="2024-05-15 10:00:00")
    caller.zns(SendDate="2024-05-15 08:00:00")
    caller.emulator.advance(minutes=59)
    assert caller.statuses() == [(2, 2), (5, 1)]
    caller.emulator.advance(minutes=2)
    assert caller.statuses() == [(5, 1), (5, 1)]


def test_outcome_shares_match_the_configuration(make_caller):
    """About as many fail, are rejected or never end as the config says."""
    rules = Progress(failed_share=0.2, rejected_share=0.1, never_final_share=0.3)
    caller = make_caller(progress=rules)
    for first in range(0, 2000, 500):
        caller.bulk([element(phone) for phone in phones(500, first)])
    caller.emulator.advance(days=30)
    counts = caller.emulator.counts_by_state()
    assert counts == dict(Counter(caller.statuses()))
    assert counts[5, 0] == pytest.approx(400, rel=0.15)
    assert counts[4, 0] == pytest.approx(200, rel=0.2)
    assert counts[7, 2] == pytest.approx(600, rel=0.15)
    assert sum(counts.values()) == 2000


def test_same_seed_and_calls_give_the_same_results(make_caller):
    """Ids, fates and times repeat; another seed changes them."""

    def run(seed):
        caller = make_caller(seed=seed, progress=Progress(failed_share=0.3))
        caller.bulk([element(phone) for phone in phones(50)])
        caller.care()
        caller.emulator.advance(1.5)
        half_way = caller.statuses()
        caller.emulator.advance(60)
        return half_way, list(caller.emulator.messages()), caller.sent(25)["SentData"]

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_progress_does_not_depend_on_polling(make_caller):
    """Progress is a function of time, not of polling."""
    one, other = make_caller(progress=Progress(failed_share=0.3)), make_caller(progress=Progress(failed_share=0.3))
    for caller in (one, other):
        caller.bulk([element(phone) for phone in phones(100)])
    for _ in range(50):
        one.emulator.advance(0.1)
        one.sent(25)
    other.emulator.advance(5)
    assert one.sent(25) == other.sent(25)


def test_manually_set_status_is_kept(caller):
    """Its own progress ends there; one phone of a shared id can be meant."""
    message_id = caller.xml(["0901888484", "0901888485"])["SMSID"]
    caller.emulator.set_status(message_id, 7, 2, phone="0901888485")
    caller.emulator.advance(60)
    assert caller.statuses() == [(5, 1), (7, 2)]
    caller.emulator.set_status(message_id, 5, 0)
    assert caller.statuses() == [(5, 0), (5, 0)]
    assert caller.emulator.counts_by_state() == {(5, 0): 2}
    with pytest.raises(KeyError):
        caller.emulator.set_status("unknown", 5, 0)


def test_populated_messages_have_states_matching_their_age(caller):
    """Old ones are final, those of this very moment are not."""
    caller.emulator.populate(2000, start="2024-05-15 08:59:58", end="2024-05-15 09:00:00.500", campaigns=3)
    assert {status for status, _ in caller.emulator.counts_by_state()} == {2, 5, 7}
    assert len(caller.emulator.deliveries_by_campaign()) == 3
    caller.emulator.advance(60)
    assert caller.emulator.counts_by_state() == {(5, 1): 2000}
    message = next(caller.emulator.messages())
    assert caller.emulator.message(message.message_id) == message


@pytest.mark.in_turn
def test_populate_defaults_to_yesterday(caller):
    """In Vietnamese days."""
    caller.emulator.populate(86_400, sms_type=1)
    day = caller.sent(1, From="2024-05-14 00:00:00", To="2024-05-14 23:59:59")
    assert day["CountTotal"] == 86_400
    shared = caller.status(day["SentData"][0]["ReferenceId"])
    assert shared["TotalReceiver"] in (400, 500)


def test_virtual_clock_moves_only_forward():
    """And starts where it is told, zone-less text being Vietnamese time."""
    clock = VirtualClock("2024-05-15 09:00:00")
    assert clock.now.isoformat() == "2024-05-15T09:00:00+07:00"
    clock.advance(1, minutes=1, hours=1, days=1)
    assert clock.now.isoformat() == "2024-05-16T10:01:01+07:00"
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)
    assert moment_ms("2024-05-15T02:00:00Z") == moment_ms("2024-05-15 09:00:00") == 1_715_738_400_000


def test_local_times_are_parsed_and_formatted():
    """`yyyy-MM-dd HH:mm:ss`, UTC+7."""
    assert local_text(1_705_484_048_995) == "2024-01-17 16:34:08"
    assert local_text_ms("2024-01-17 16:34:08") == 1_705_484_048_000
    for nonsense in ("2024-13-01 00:00:00", "2024-01-17", "2024-01-17 24:00:00", ""):
        assert local_text_ms(nonsense) is None


def test_unmix_reverses_mix():
    """Message ids are read back into numbers this way."""
    for number in (0, 1, 2**32, 2**64 - 1, 1234567):
        assert unmix(mix(number)) == number
