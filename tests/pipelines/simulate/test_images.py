import datetime

import numpy as np
import pytest
from pydicom.pixels import apply_rescale
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from pipelines.simulate import images
from pipelines.simulate.hospital import BEGIN
from pipelines.simulate.people import make_person
from transforms.metrics import auroc

TIME = datetime.datetime(2023, 4, 5, 6, 7, 8, tzinfo=datetime.UTC)


def study(seed, diseased):
    person = make_person(np.random.default_rng(0), 1, BEGIN)
    rng = np.random.default_rng(seed)
    return images.make_study(rng, person, TIME, diseased=diseased, patient_id="P1")


def shown(instance):
    """Brightness 0..1 as a viewer shows it."""
    values = apply_rescale(instance.pixel_array, instance).astype(float)
    center, width = float(instance.WindowCenter), float(instance.WindowWidth)
    brightness = np.clip((values - center) / width + 0.5, 0, 1)
    return 1 - brightness if instance.PhotometricInterpretation == "MONOCHROME1" else brightness


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless, JPEG2000Lossless]
)
@pytest.mark.parametrize("modality", ["CT", "DX"])
@pytest.mark.parametrize("inverted", [False, True])
def test_pixels_survive_their_encoding(syntax, modality, inverted):
    rng = np.random.default_rng(1)
    picture = rng.random((images.SIZE, images.SIZE))
    dataset = images._instance(rng, modality, "1.2", "1.3", 1)
    images._add_pixels(dataset, picture, inverted=inverted and modality == "DX")
    instance_uid = str(dataset.SOPInstanceUID)
    file = images._encode(dataset, syntax)
    assert file.file_meta.TransferSyntaxUID == syntax
    assert file.SOPInstanceUID == instance_uid
    assert (file.pixel_array.min() < 100) and (file.pixel_array.max() > 1500)
    step = 1 / (1600 if modality == "CT" else 4095)
    np.testing.assert_allclose(shown(file), picture, atol=2.1 * step)


def test_disease_is_mostly_the_brightest_spot():
    brightest, diseased = [], []
    for seed in range(80):
        ill = seed % 2 == 0
        instances = study(seed, ill).instances
        brightest.append(max(np.percentile(shown(i), 99.5) for i in instances))
        diseased.append(float(ill))
    found = auroc(np.array(brightest), np.array(diseased), np.ones(80))
    assert 0.75 < found < 0.98


def test_every_kind_of_study_occurs():
    studies = [study(seed, diseased=True) for seed in range(60)]
    instances = [instance for one in studies for instance in one.instances]
    assert {one.modality for one in studies} == {"CT", "DX"}
    assert {len(one.instances) for one in studies} == {1, 2, 3, 4, 5}
    assert {i.PhotometricInterpretation for i in instances} == {"MONOCHROME1", "MONOCHROME2"}
    assert {i.file_meta.TransferSyntaxUID for i in instances} == {
        *(ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless, JPEG2000Lossless)
    }
    assert {i.pixel_array.dtype.name for i in instances} == {"int16", "uint16"}


def test_header_names_the_person():
    instance = study(3, diseased=False).instances[0]
    person = make_person(np.random.default_rng(0), 1, BEGIN)
    assert instance.PatientName == f"{person.family}^{person.given}"
    assert (instance.PatientID, instance.IssuerOfPatientID) == ("P1", "HOSPITAL")
    assert (instance.StudyDate, instance.StudyTime) == ("20230405", "060708")
    assert instance.PatientBirthDate == person.patient["birthDate"].replace("-", "")
