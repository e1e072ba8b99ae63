"""What patients write about their complaints, and what these turned out to be.

A message strings up to three signs of its condition together, in one patient's way and with
slips of the pen; now and then one sign is of another condition, so that no model is always right.
"""

import dataclasses
import datetime

import numpy as np

from pipelines.simulate import resources
from pipelines.simulate.labels import Label, label_of
from pipelines.simulate.people import Person
from pipelines.simulate.resources import ICD10CM, Code, Resource


@dataclasses.dataclass(frozen=True)
class _Complaint:
    code: Code
    signs: tuple[str, ...]


# None of these is a finding of the imaging studies or ends a course of treatment.
COMPLAINTS: dict[str, _Complaint] = {
    "Common Cold": _Complaint(
        (ICD10CM, "J00", "Acute nasopharyngitis"),
        (
            *("my nose is running all day", "I sneeze a lot", "my throat is a bit sore"),
            *("my nose is blocked at night", "I have a light cough with clear mucus"),
        ),
    ),
    "Influenza": _Complaint(
        (ICD10CM, "J11.1", "Influenza with other respiratory manifestations"),
        (
            *("a fever of 39 came out of nowhere", "every muscle in my body aches"),
            *("I am shivering and cannot get warm", "I am too weak to get out of bed"),
            *("I have a dry cough and a fever", "half of my family has the flu"),
        ),
    ),
    "urinary tract infection": _Complaint(
        (ICD10CM, "N39.0", "Urinary tract infection, site not specified"),
        (
            *("it burns when I pass urine", "I have to run to the toilet every hour"),
            *("my urine is cloudy and smells strong", "there is pressure in my bladder"),
            "I saw a little blood in my urine",
        ),
    ),
    "Migraine": _Complaint(
        (ICD10CM, "G43.909", "Migraine, unspecified"),
        (
            *("one side of my head is throbbing", "bright light makes the headache worse"),
            *("I see zigzag lines before it starts", "I feel sick with the headache"),
            "any noise hurts my head",
        ),
    ),
    "allergy": _Complaint(
        (ICD10CM, "J30.9", "Allergic rhinitis, unspecified"),
        (
            *("my eyes itch and water", "I sneeze whenever I am near the cat"),
            *("it starts when the pollen flies", "the roof of my mouth itches"),
            "my nose itches and runs when I am in the garden",
        ),
    ),
    "gastroesophageal reflux disease": _Complaint(
        (ICD10CM, "K21.9", "Gastro-esophageal reflux disease without esophagitis"),
        (
            *("I have heartburn after every meal", "acid comes up when I lie down"),
            *("there is a sour taste in my mouth", "my chest burns after coffee"),
            "food seems to come back up at night",
        ),
    ),
    "Arthritis": _Complaint(
        (ICD10CM, "M19.90", "Unspecified osteoarthritis, unspecified site"),
        (
            *("my knees are stiff every morning", "my finger joints are swollen"),
            *("the joints crack and hurt on the stairs", "my hip hurts when I walk"),
            "it takes an hour until my hands can make a fist",
        ),
    ),
    "Psoriasis": _Complaint(
        (ICD10CM, "L40.9", "Psoriasis, unspecified"),
        (
            *("silvery scales are peeling off my elbows", "red patches on my knees are back"),
            *("my scalp is flaking badly", "the dry skin cracks and bleeds"),
            "my nails have small pits in them",
        ),
    ),
    "Jaundice": _Complaint(
        (ICD10CM, "R17", "Unspecified jaundice"),
        (
            *("the whites of my eyes have turned yellow", "my skin looks yellow"),
            *("my urine is as dark as tea", "my stool is pale as clay"),
            "my whole skin itches and has lost its color",
        ),
    ),
    "drug reaction": _Complaint(
        (ICD10CM, "T88.7XXA", "Unspecified adverse effect of drug or medicament"),
        (
            *("hives came up after the new tablets", "my tongue is swelling since the antibiotic"),
            *("I got a rash from the medicine", "I felt dizzy right after the injection"),
            "it began an hour after I took the new pill",
        ),
    ),
    "Varicose Veins": _Complaint(
        (ICD10CM, "I83.90", "Asymptomatic varicose veins of lower extremity"),
        (
            *("thick blue veins stand out on my legs", "my legs feel heavy in the evening"),
            *("my ankles swell when I stand", "a vein on my calf is bulging and sore"),
            "the veins hurt after a day on my feet",
        ),
    ),
    "Chicken pox": _Complaint(
        (ICD10CM, "B01.9", "Varicella without complication"),
        (
            *("itchy blisters are all over my chest", "the red spots turn into blisters"),
            *("new spots come every day", "the blisters are crusting over"),
            "my grandchild had the same spots two weeks ago",
        ),
    ),
}
_OPENINGS = ("", "", "Hello, ", "Hi doctor, ", "Good morning, ", "Sorry to bother you but ")
_SINCE = ("since yesterday", "for three days now", "for a week", "since the weekend", "on and off")
_CLOSINGS = (
    "",
    "",
    " What should I do?",
    " Do I need an appointment?",
    " Thank you.",
    " Please help",
)
_OTHER_SIGN, _SLIP, _ANSWERS, _RECORDED = 0.2, 0.03, 0.4, 0.5
_UNREAD, _UNREAD_DAYS = 0.1, 14  # the newest messages are what the model is asked for
_WINTER, _SUMMER = (12, 1, 2, 3), 0.1  # months of influenza; how rare it is in others
_QUESTIONNAIRE = "http://hospital.example/Questionnaire/symptoms"


def simulate_messages(
    rng: np.random.Generator,
    person: Person,
    begin: datetime.datetime,
    as_of: datetime.datetime,
) -> tuple[list[Resource], list[Label]]:
    """Messages of one patient between `begin` and `as_of` (UTC), and their true conditions.

    Some come as answers of a questionnaire. After half of them the condition was recorded within
    five days as well.
    """
    until = person.died or as_of
    unread_from = as_of - datetime.timedelta(days=_UNREAD_DAYS)
    written: list[Resource] = []
    labels = []
    for _ in range(rng.poisson(1.6)):
        name = str(rng.choice(list(COMPLAINTS)))
        unread = rng.random() < _UNREAD
        time = _time(rng, name, unread_from, as_of) if unread else _time(rng, name, begin, as_of)
        diagnosed = time + datetime.timedelta(hours=float(rng.uniform(3, 120)))
        if time >= until:
            continue
        message = _message(rng, person.patient, name, time)
        written.append(message)
        if time >= unread_from:
            continue
        labels.append(label_of(person.patient, message, time, name))
        if rng.random() < _RECORDED and diagnosed < until:
            code = COMPLAINTS[name].code
            written.append(resources.condition(rng, person.patient, (code,), diagnosed))
    return written, labels


def _time(
    rng: np.random.Generator, name: str, begin: datetime.datetime, as_of: datetime.datetime
) -> datetime.datetime:
    """When the message was sent, to the minute; influenza comes in winter."""
    while True:
        day = rng.uniform(0, (as_of - begin).days)
        time = begin + datetime.timedelta(minutes=int(day * 1440))
        if name != "Influenza" or time.month in _WINTER or rng.random() < _SUMMER:
            return time


def _message(
    rng: np.random.Generator, patient: Resource, name: str, time: datetime.datetime
) -> Resource:
    others = [other for other in COMPLAINTS if other != name]
    signs = list(rng.permutation(COMPLAINTS[name].signs)[: rng.integers(1, 4)])
    if rng.random() < _OTHER_SIGN:
        other = COMPLAINTS[str(rng.choice(others))]
        signs[-1] = str(rng.choice(other.signs))
    since = str(rng.choice(_SINCE))
    said = str(rng.choice([" and ", ", ", ". Also "])).join(signs)
    if rng.random() < _ANSWERS:
        answers = {"complaint": _slips(rng, said), "since": since}
        return resources.questionnaire_response(rng, patient, _QUESTIONNAIRE, answers, time)
    text = f"{rng.choice(_OPENINGS)}{said} {since}.{rng.choice(_CLOSINGS)}"
    return resources.communication(rng, patient, _slips(rng, text[0].upper() + text[1:]), time)


def _slips(rng: np.random.Generator, text: str) -> str:
    """The text with some words misspelt: a letter is missing, doubled or in the wrong place."""
    words = text.split(" ")
    for index, word in enumerate(words):
        if len(word) > 4 and rng.random() < _SLIP:
            at = int(rng.integers(1, len(word) - 2))
            slip = (word[at + 1], word[at] * 2 + word[at + 1], word[at + 1] + word[at])
            words[index] = word[:at] + slip[rng.integers(3)] + word[at + 2 :]
    return " ".join(words)
