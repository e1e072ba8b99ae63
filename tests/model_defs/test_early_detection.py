import dataclasses
import datetime
import io

import numpy as np
import PIL.Image
import pytest

from model_defs import early_detection
from model_defs.early_detection import Config, examples, grey_bytes
from tests.builders import event_frame
from tests.model_defs.cases_early_detection import AS_OF, condition, instance, tables, tables_of
from transforms.prediction_rows import Outputs

STUDY = datetime.datetime(2024, 2, 1, 12)
DAY = datetime.timedelta(days=1)
PNEUMONIA = "ICD10CM//J18.9"
SMALL = Config(size=16)


def study(count=1, **columns):
    return [
        instance(
            **{
                "subject_id": 1,
                "study_id": 7,
                "time": STUDY,
                "instance_id": number,
                "instance_number": number,
                "source_id": number + 1,
                **columns,
            }
        )
        for number in range(count)
    ]


def label_of(events, images=None, labels=None, as_of=AS_OF):
    found = examples(tables_of(images or study(), events, labels), as_of, SMALL)
    assert found.height == 1
    return found["diseased"][0]


def test_the_prediction_stands_just_after_the_last_instance():
    images = study(2)
    images[1]["time"] = STUDY + DAY
    found = examples(tables_of(images), AS_OF, SMALL)
    assert found["prediction_time"].to_list() == [STUDY + DAY + datetime.timedelta(microseconds=1)]
    assert found.select("subject_id", "entity_id").rows() == [(1, 7)]


@pytest.mark.parametrize(
    ("code", "after", "expected"),
    [
        (PNEUMONIA, 3, True),
        ("ICD10//C34.90", 3, True),
        ("SNOMED//233604007", 29.9, True),
        ("ICD9CM//486", 3, True),
        (PNEUMONIA, -0.5, True),  # reports are often dated to the day of the study
        (PNEUMONIA, 31, False),
        ("ICD10CM//D12.6", 3, False),  # benign
        ("SNOMED//17621005", 3, False),
        (PNEUMONIA, -20, None),  # known before
        (PNEUMONIA, -400, None),  # and nothing after: nobody followed the subject
    ],
)
def test_the_label_follows_the_record(code, after, expected):
    assert label_of([condition(code=code, time=STUDY + DAY * after)]) is expected


def test_a_disease_of_long_ago_does_not_decide():
    events = [
        condition(code=PNEUMONIA, time=STUDY - DAY * 400),
        condition(code="SNOMED//1", time=STUDY + DAY, resource_id=2),
    ]
    assert label_of(events) is False


def test_further_codings_count_as_the_first_does():
    event = condition(code="LOCAL//x", codes=["LOCAL//y", PNEUMONIA], time=STUDY + DAY)
    assert label_of([event]) is True


def test_no_label_before_the_window_is_over_unless_disease_was_found():
    healthy = [condition(time=STUDY + DAY)]
    assert label_of(healthy, as_of=STUDY + DAY * 20) is None
    ill = [condition(code=PNEUMONIA, time=STUDY + DAY)]
    assert label_of(ill, as_of=STUDY + DAY * 20) is True


def test_a_given_label_decides():
    given = {
        "subject_id": 1,
        "bucket": 0,
        "model": "early_detection",
        "entity_id": 7,
        "prediction_time": STUDY,
        "boolean_value": False,
    }
    ill = [condition(code=PNEUMONIA, time=STUDY + DAY)]
    assert label_of(ill, labels=[given]) is False


def test_text_burned_in_is_avoided_and_never_labelled():
    ill = [condition(code=PNEUMONIA, time=STUDY + DAY)]
    burned = study(2, burned_in_annotation="suspected")
    assert label_of(ill, burned) is None
    mixed = [burned[0], study(2)[1]]
    assert label_of(ill, mixed) is True
    found = examples(tables_of(mixed), AS_OF, SMALL)
    assert len(found["frames"][0]) == 16 * 16  # of the clean one alone


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([1], [1]),
        ([1, 1, 1], [1, 1, 1]),
        ([1] * 8, [0, 1, 0, 1, 0, 1, 0, 1]),
        ([1] * 100, None),
        ([9], [4]),
        ([6, 2], [3, 1]),
        ([None, 3], [1, 3]),
    ],
)
def test_frames_are_spread_evenly(frames, expected):
    asked = {}

    def pixels(images, *, size, max_frames):
        for number, count in images.select("instance_id", "frames").iter_rows():
            asked[number] = max_frames
            assert max_frames <= (count or 1)
            yield np.zeros((max_frames, size, size, 1), np.float32)

    images = [{**row, "frames": n} for row, n in zip(study(len(frames)), frames, strict=True)]
    found = dataclasses.replace(tables_of(images), pixels=pixels)
    (row,) = examples(found, AS_OF, SMALL)["frames"]
    assert len(row) == sum(asked.values()) * 256
    if expected is None:
        assert sorted(asked) == [12, 37, 62, 87]
    else:
        assert [asked.get(number, 0) for number in range(len(frames))] == expected


def test_what_cannot_be_decoded_is_left_out():
    images = study(3)
    images[1]["source_id"] = -1
    (row,) = examples(tables_of(images), AS_OF, SMALL)["frames"]
    assert len(row) == 2 * 256
    for image in images:
        image["source_id"] = -1
    assert examples(tables_of(images), AS_OF, SMALL).height == 0


def test_undated_instances_and_objects_without_pixels_are_no_study():
    for column in ({"time": None}, {"has_pixels": False}):
        assert examples(tables_of(study(**column)), AS_OF, SMALL).height == 0


def test_grey_bytes_are_luminance():
    frames = np.zeros((1, 1, 3, 3), np.float32)
    frames[0, 0] = np.eye(3)
    assert list(grey_bytes(frames)) == [76, 150, 29]
    assert list(grey_bytes(np.array([0.0, 0.5, 1.0], np.float32).reshape(1, 1, 3, 1))) == [
        0,
        128,
        255,
    ]


def test_the_network_tells_studies_apart_and_takes_any_number_of_frames():
    config = Config(size=16, width=4, dropout=0.0)
    found = examples(tables(subjects=40), AS_OF, config)
    frames = np.array(found["frames"].to_list(), object)
    truth = found["diseased"].to_numpy().astype(np.float32)
    assert {len(row) // 256 for row in frames} == {1, 2, 3}
    model = early_detection.build_model(config)
    for _ in range(25):
        model.train_on_batch({"frames": frames}, {"diseased": truth})
    together = model.predict_on_batch({"frames": frames})["diseased"]
    assert together.shape == (40,)
    assert ((together > 0.5) == truth.astype(bool)).mean() > 0.9
    alone = np.concatenate(
        [model.predict_on_batch({"frames": frames[i : i + 1]})["diseased"] for i in range(5)]
    )
    assert alone == pytest.approx(together[:5], abs=1e-5)


@pytest.mark.parametrize("broken", [b"", b"\0" * 255])
def test_a_row_that_is_no_frames_is_refused(broken):
    import tensorflow as tf

    from model_defs._study_layers import DecodeFrames

    rows = tf.constant([b"\0" * 256, broken])
    with pytest.raises(tf.errors.InvalidArgumentError):
        DecodeFrames(16)(rows)


def spot_study(row, column):
    """One dark frame with a bright 6 x 6 spot."""
    frame = np.full((32, 32), 40, np.uint8)
    frame[row : row + 6, column : column + 6] = 250
    return frame.tobytes()


def trained_on_spots():
    config = Config(size=32, width=8, frames=2, dropout=0.0)
    random = np.random.default_rng(0)
    model = early_detection.build_model(config)
    dark = bytes([40]) * 32 * 32
    for _ in range(60):
        spots = [spot_study(*random.integers(0, 26, 2)) for _ in range(16)]
        frames = np.array([*spots[:8], *[dark + s for s in spots[8:]], *[dark] * 16], object)
        model.train_on_batch({"frames": frames}, {"diseased": np.float32([1] * 16 + [0] * 16)})
    return model, config, dark


def test_the_picture_is_brightest_where_the_planted_spot_lies():
    model, config, dark = trained_on_spots()
    places = [(1, 1), (25, 2), (3, 25), (16, 10)]
    # The spot is in the second frame, which stands on the right.
    frames = np.array([dark + spot_study(*place) for place in places], object)
    values = model.predict_on_batch({"frames": frames})
    assert (values["diseased"] > 0.5).all()
    found = early_detection.to_predictions(Outputs(values), config)
    for picture, (row, column) in zip(found.picture, places, strict=True):
        pixels = np.asarray(PIL.Image.open(io.BytesIO(picture)), int)
        assert pixels.shape == (32, 64)
        assert pixels.max() == 255
        brightest = np.unravel_index(pixels.argmax(), pixels.shape)
        assert brightest == pytest.approx((row + 2.5, 32 + column + 2.5), abs=4)


def test_the_evidence_of_all_places_is_the_logit_less_the_bias():
    model, _, dark = trained_on_spots()
    head = model.get_layer("head")
    head.set_weights([0.2 * weight for weight in head.get_weights()])  # far from 0 and 1
    rows = [dark, spot_study(2, 9), dark + spot_study(5, 5), spot_study(1, 1) + spot_study(8, 8)]
    values = model.predict_on_batch({"frames": np.array(rows, object)})
    probability = values["diseased"].astype(np.float64)
    logit = np.log(probability / (1 - probability))
    evidence = values["evidence"]
    assert evidence.shape[:2] == (4, 2)
    assert (evidence[:2, 1] == 0).all()  # of a frame that is not there
    assert evidence.sum(axis=(1, 2, 3)) + head.bias.numpy() == pytest.approx(logit, abs=1e-3)


def test_predictions_name_both_classes_and_decide_at_the_cut():
    values = {"diseased": np.array([0.25, 0.5]), "evidence": np.zeros((2, 4, 3, 3), np.float32)}
    found = early_detection.to_predictions(Outputs(values, cut=0.3))
    assert found.classes == ("not_diseased", "diseased")
    assert found.probabilities.tolist() == [[0.75, 0.25], [0.5, 0.5]]
    assert found.label.tolist() == [0, 1]
    assert early_detection.to_predictions(Outputs(values, cut=0.6)).label.tolist() == [0, 0]


@pytest.mark.parametrize(("field", "value"), [("size", 8), ("frames", 0)])
def test_an_unusable_config_is_refused(field, value):
    with pytest.raises(ValueError, match=f"{field} must be at least .* not {value}"):
        Config(**{field: value})


def test_events_of_others_do_not_label():
    other = event_frame([condition(subject_id=2, code=PNEUMONIA, time=STUDY + DAY)])
    found = dataclasses.replace(tables_of(study()), events=other)
    assert examples(found, AS_OF, SMALL)["diseased"].to_list() == [None]
