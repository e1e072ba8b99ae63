import collections
import datetime

import numpy as np
import pytest

from pipelines.simulate.hospital import BEGIN
from pipelines.simulate.messages import _UNREAD_DAYS, COMPLAINTS, _slips, simulate_messages
from pipelines.simulate.people import make_person

AS_OF = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)
UNREAD_FROM = AS_OF - datetime.timedelta(days=_UNREAD_DAYS)


@pytest.fixture(scope="module")
def histories():
    """(person, resources, labels) of 300 people."""
    found = []
    for index in range(300):
        person = make_person(np.random.default_rng([6, 0, index]), index, BEGIN)
        rng = np.random.default_rng([6, 1, index])
        found.append((person, *simulate_messages(rng, person, BEGIN, AS_OF)))
    return found


def text_of(resource):
    if resource["resourceType"] == "Communication":
        return resource["payload"][0]["contentString"]
    return resource["item"][0]["answer"][0]["valueString"]


def time_of(resource):
    name = {"Communication": "sent", "QuestionnaireResponse": "authored"}[resource["resourceType"]]
    return datetime.datetime.fromisoformat(resource[name])


def test_every_older_message_has_its_condition_in_the_labels(histories):
    newest = 0
    for person, written, labels in histories:
        by_id = {label.entity_id: label for label in labels}
        messages = [r for r in written if r["resourceType"] != "Condition"]
        for message in messages:
            label = by_id.pop(f"{message['resourceType']}/{message['id']}", None)
            assert (label is None) == (time_of(message) >= UNREAD_FROM)
            newest += label is None
            if label:
                assert label.subject_id == person.patient["id"]
                assert label.prediction_time == time_of(message).isoformat()
                assert label.categorical_value in COMPLAINTS
        assert by_id == {}
    assert 0.05 < newest / sum(len(labels) for *_, labels in histories) < 0.2


def test_messages_say_what_the_condition_is(histories):
    """Words that only stand in the signs of one condition decide for nine in ten messages."""
    owner = {}
    for name, complaint in COMPLAINTS.items():
        for word in {word for sign in complaint.signs for word in sign.lower().split()}:
            owner[word] = None if word in owner else name
    right = []
    for _, written, labels in histories:
        texts = {f"{r['resourceType']}/{r['id']}": r for r in written}
        for label in labels:
            words = text_of(texts[label.entity_id]).lower().replace(".", "").split()
            votes = collections.Counter(owner[w] for w in words if owner.get(w))
            right.append(votes.most_common(1)[0][0] == label.categorical_value if votes else False)
    assert 0.85 < np.mean(right) < 1
    named = [text_of(r) for _, w, _ in histories for r in w if r["resourceType"] != "Condition"]
    assert len(set(named)) / len(named) > 0.9


def test_half_of_the_conditions_are_recorded_days_later(histories):
    recorded = 0
    codes = {complaint.code[1]: name for name, complaint in COMPLAINTS.items()}
    for _, written, labels in histories:
        said = [(label.categorical_value, label.prediction_time) for label in labels]
        for condition in (r for r in written if r["resourceType"] == "Condition"):
            recorded += 1
            name = codes[condition["code"]["coding"][0]["code"]]
            known = datetime.datetime.fromisoformat(condition["recordedDate"])
            after = [known - datetime.datetime.fromisoformat(t) for n, t in said if n == name]
            assert any(datetime.timedelta(0) < d < datetime.timedelta(days=5.01) for d in after)
    assert 0.4 < recorded / sum(len(labels) for *_, labels in histories) < 0.6


def test_influenza_comes_in_winter(histories):
    months = [
        int(label.prediction_time[5:7])
        for *_, labels in histories
        for label in labels
        if label.categorical_value == "Influenza"
    ]
    assert np.mean([month in (12, 1, 2, 3) for month in months]) > 0.7


def test_no_one_writes_after_death():
    person = make_person(np.random.default_rng(1), 1, BEGIN)
    person.die(BEGIN + datetime.timedelta(days=300))
    for seed in range(100):
        written, _ = simulate_messages(np.random.default_rng(seed), person, BEGIN, AS_OF)
        for resource in written:
            assert resource["meta"]["lastUpdated"] < "2022-04-27T01:00:01+00:00"


def test_messages_name_nobody(histories):
    for person, written, _ in histories:
        for resource in written:
            if resource["resourceType"] != "Condition":
                assert not [name for name in person.identities if name in text_of(resource)]


def test_slips_change_a_few_letters():
    text = "bright light makes the headache worse " * 40
    slipped = _slips(np.random.default_rng(0), text)
    changed = [
        (was, now)
        for was, now in zip(text.split(" "), slipped.split(" "), strict=True)
        if was != now
    ]
    assert 3 < len(changed) < 30
    assert all(abs(len(was) - len(now)) <= 1 and was[0] == now[0] for was, now in changed)
