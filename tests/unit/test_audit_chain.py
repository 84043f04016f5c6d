"""The chain of audit entries, and what verification says of one that somebody has touched."""

import msgspec
import pytest

from osapi.audit.chain import Head, canonical, digest, number_in, read, sealed
from osapi.audit.verify import Verification
from osapi.errors import BadInput
from osapi.keys import KeyPair

KEYS = KeyPair.generate()
START = Head()


@pytest.fixture
def lines():
    """Twelve entries, written two at a time."""
    return chain(KEYS)


def chain(keys, head=START, writes=6):
    found = []
    for write in range(writes):
        entries = [{"user": "anna", "phase": "outcome", "request_id": f"{write}.{i}"} for i in range(2)]
        block, head = sealed(entries, head, keys)
        found += block.split(b"\n")
    return found


def verify(lines, *anchors, trusted=(KEYS,)):
    check = Verification(trusted={keys.public.fingerprint: keys.public for keys in trusted}, anchors=anchors)
    for line in lines:
        check.add(line)
    return [(found.kind, found.entries) for found in check.end()], check


def edited(line, **members):
    return msgspec.json.encode({**msgspec.json.decode(line), **members})


def test_a_chain_that_nobody_touched_is_well_however_it_is_formatted(lines):
    reformatted = [msgspec.json.format(line, indent=1) for line in lines]

    findings, check = verify(lines)

    assert (findings, check.entries, check.first, check.head.number) == ([], 12, 1, 12)
    assert verify(reformatted)[0] == []


def test_entries_are_found_by_their_ids(lines):
    entries = [entry for line in lines for entry in read(line)]

    assert [number_in(entry["id"]) for entry in entries] == list(range(1, 13))
    assert digest(entries[3]) == entries[4]["previous"]
    assert b"checkpoint" not in canonical(entries[1])


@pytest.mark.parametrize("number", range(1, 13))
def test_an_edited_entry_is_named_and_no_other(lines, number):
    lines[number - 1] = edited(lines[number - 1], user="berta")

    findings, _ = verify(lines)

    expected = "11-12" if number == 12 else str(number)  # nothing follows the last that would tell more
    assert findings == [("edited", expected)]


def test_a_removed_entry_is_named(lines):
    assert verify(lines[:4] + lines[5:])[0] == [("removed", "5")]
    assert verify(lines[:5] + lines[6:])[0] == [("unsealed", "5"), ("removed", "6")]
    assert verify(lines[:4] + lines[8:])[0] == [("removed", "5-8")]


def test_entries_that_were_moved_are_named(lines):
    assert verify([*lines[:4], *lines[6:8], *lines[4:6], *lines[8:]])[0] == [("reordered", "7-8")]
    assert verify([*lines[:2], lines[9], *lines[2:9], *lines[10:]])[0] == [("reordered", "10")]


def test_what_was_moved_is_vouched_for_by_what_follows_its_number(lines):
    lines[0] = edited(lines[0], user="berta")

    findings, _ = verify([lines[4], *lines[:4], *lines[5:]])

    assert findings == [("edited", "1"), ("reordered", "5")]


def test_an_entry_that_is_there_twice_is_named(lines):
    other = edited(lines[4], user="berta")

    findings, _ = verify([*lines[:5], other, *lines[5:]])

    assert ("inserted", "5") in findings


def test_a_chain_that_was_forged_from_an_entry_on_does_not_hold(lines):
    forged, head = list(lines[:4]), Head(4, digest(msgspec.json.decode(lines[3])))
    for line in lines[4:]:
        entry = edited(line, previous=head.digest, **({"user": "berta"} if head.number == 4 else {}))
        forged.append(entry)
        head = Head(head.number + 1, digest(msgspec.json.decode(entry)))

    findings, _ = verify(forged)

    assert findings == [("edited", "5-12")]
    stripped = [msgspec.json.decode(line) for line in forged]
    for entry in stripped[4:]:
        entry.pop("checkpoint", None)
    assert verify([msgspec.json.encode(entry) for entry in stripped])[0] == [("unsealed", "5-12")]


def test_entries_under_another_key_are_named_unless_it_is_trusted(lines):
    other = KeyPair.generate()
    head = Head(12, digest(msgspec.json.decode(lines[-1])))
    lines += chain(other, head, writes=1)

    assert verify(lines)[0] == [("foreign", "13-14")]
    assert verify(lines, trusted=(KEYS, other))[0] == []


def test_a_cut_off_end_is_seen_by_who_knows_how_far_the_chain_went(lines):
    _, whole = verify(lines)

    assert verify(lines[:8], whole.head)[0] == [("removed", "9-12")]
    assert verify(lines, whole.head)[0] == []
    assert verify(chain(KEYS), whole.head)[0] == [("edited", "1-12")]


def test_a_chain_may_begin_anywhere_as_the_oldest_go_with_their_time(lines):
    findings, check = verify(lines[4:])

    assert (findings, check.first) == ([], 5)


def test_what_cannot_be_read_is_told(lines):
    findings, _ = verify([*lines[:2], b"{", b'{"number": "3"}', *lines[2:]])

    assert findings == [("unreadable", "-"), ("unreadable", "-")]


def test_a_change_without_an_outcome_is_remembered():
    begun = [{"phase": "intent", "request_id": "a"}, {"phase": "intent", "request_id": "b"}]
    block, head = sealed(begun, Head(), KEYS)
    rest, _ = sealed([{"phase": "outcome", "request_id": "a"}], head, KEYS)

    _, check = verify([*block.split(b"\n"), rest])

    assert list(check.unfinished) == ["b"]


def test_a_head_is_read_as_it_is_printed():
    head = Head(12, "ab" * 32)

    assert Head.of(str(head)) == head
    with pytest.raises(BadInput, match="NUMBER:DIGEST"):
        Head.of("12")
