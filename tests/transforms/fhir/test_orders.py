from .builders import PATIENT, SNOMED, concept, facts, last_us, outcome, us

TIME = us("2020-03-01T08:00:00")


def service_request(**elements: object) -> dict[str, object]:
    return {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "subject": PATIENT,
        "code": concept(SNOMED, "168537006"),
        **elements,
    }


def test_order_is_known_when_written_and_not_when_due() -> None:
    ordered = service_request(
        authoredOn="2020-03-01T08:00:00Z",
        occurrenceDateTime="2021-01-01",
        category=[concept("http://x", "imaging")],
        orderDetail=[concept("http://x", "contrast")],
        reasonCode=[concept("http://x", "pain")],
        bodySite=[concept("http://x", "knee")],
        quantityQuantity={"value": 2, "unit": "views"},
    )
    further = ["http://x//imaging", "http://x//contrast", "http://x//pain", "http://x//knee"]
    assert facts(ordered) == [(TIME, "SNOMED//168537006", 2.0, None, "views", further)]
    due = service_request(occurrencePeriod={"start": "2021-01-01"})
    assert facts(due)[0][0] == last_us("2021-01-01")
    assert outcome(service_request(doNotPerform=True)) == "do not perform"


def test_specimen_is_known_when_collected_else_received() -> None:
    specimen = {
        "resourceType": "Specimen",
        "type": concept("http://x", "BLD"),
        "collection": {
            "collectedDateTime": "2020-03-01T08:00:00Z",
            "method": concept("http://x", "LNV"),
            "bodySite": concept("http://x", "arm"),
        },
        "receivedTime": "2020-03-02",
        "condition": [concept("http://x", "HEM")],
    }
    further = ["http://x//LNV", "http://x//arm", "http://x//HEM"]
    assert facts(specimen) == [(TIME, "http://x//BLD", None, None, None, further)]
    specimen["collection"] = {}
    assert facts(specimen)[0][0] == last_us("2020-03-02")


def test_device_leaves_its_time_open_and_its_numbers_out() -> None:
    device = {
        "resourceType": "Device",
        "type": concept(SNOMED, "14106009"),
        "serialNumber": "SN-1",
        "manufactureDate": "2019-01-01",
        "udiCarrier": [{"deviceIdentifier": "0984"}],
    }
    assert facts(device) == [(None, "SNOMED//14106009", None, None, None, None)]
