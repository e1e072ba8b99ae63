"""Codes of the events: `SYSTEM//code`, as MEDS writes them.

A known code system has the short name of `SHORT_NAMES`; the terminologies of HL7 are named by
the last part of their URI (`v3-ActCode`, `observation-category`); any other system keeps its
URI. A coding without system gives `//code`. What is known only as text has the code
`<resource type>//TEXT` and the text as its value; what is not coded at all
`<resource type>//UNKNOWN`.

Source: https://hl7.org/fhir/R4/terminologies-systems.html
"""

import re
from collections.abc import Iterable

from transforms.fhir.datatypes import CodeableConcept, Coding

SHORT_NAMES = {
    "http://loinc.org": "LOINC",
    "urn:oid:2.16.840.1.113883.6.1": "LOINC",
    "http://snomed.info/sct": "SNOMED",
    "urn:oid:2.16.840.1.113883.6.96": "SNOMED",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "RXNORM",
    "urn:oid:2.16.840.1.113883.6.88": "RXNORM",
    "http://hl7.org/fhir/sid/icd-9-cm": "ICD9CM",
    "http://terminology.hl7.org/CodeSystem/icd9cm": "ICD9CM",
    "http://hl7.org/fhir/sid/icd-9-cm/diagnosis": "ICD9CM",
    "http://terminology.hl7.org/CodeSystem/icd9cm-diagnosis": "ICD9CM",
    "urn:oid:2.16.840.1.113883.6.42": "ICD9CM",
    "urn:oid:2.16.840.1.113883.6.103": "ICD9CM",
    "http://hl7.org/fhir/sid/icd-9-cm/procedure": "ICD9PROC",
    "http://terminology.hl7.org/CodeSystem/icd9cm-procedure": "ICD9PROC",
    "urn:oid:2.16.840.1.113883.6.104": "ICD9PROC",
    "http://hl7.org/fhir/sid/icd-10": "ICD10",
    "urn:oid:2.16.840.1.113883.6.3": "ICD10",
    "http://hl7.org/fhir/sid/icd-10-cm": "ICD10CM",
    "urn:oid:2.16.840.1.113883.6.90": "ICD10CM",
    "http://hl7.org/fhir/sid/icd-10-pcs": "ICD10PCS",
    "http://www.cms.gov/Medicare/Coding/ICD10": "ICD10PCS",
    "http://www.icd10data.com/icd10pcs": "ICD10PCS",
    "urn:oid:2.16.840.1.113883.6.4": "ICD10PCS",
    "http://fhir.de/CodeSystem/bfarm/icd-10-gm": "ICD10GM",
    "http://fhir.de/CodeSystem/dimdi/icd-10-gm": "ICD10GM",
    "http://hl7.org/fhir/sid/ex-icd-10-procedures": "ICD10PROC",
    "http://id.who.int/icd/release/11/mms": "ICD11",
    "http://hl7.org/fhir/sid/icd-o-3": "ICDO3",
    "http://terminology.hl7.org/CodeSystem/icd-o-3": "ICDO3",
    "urn:oid:2.16.840.1.113883.6.43.1": "ICDO3",
    "http://www.ama-assn.org/go/cpt": "CPT",
    "urn:oid:2.16.840.1.113883.6.12": "CPT",
    "http://terminology.hl7.org/CodeSystem/HCPCS": "HCPCS",
    "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets": "HCPCS",
    "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets": "HCPCS",
    "urn:oid:2.16.840.1.113883.6.285": "HCPCS",
    "urn:oid:2.16.840.1.113883.6.14": "HCPCS",
    "https://www.cms.gov/Medicare/Medicare-Fee-for-Service-Payment/AcuteInpatientPPS"
    "/MS-DRG-Classifications-and-Software": "MSDRG",
    "http://terminology.hl7.org/CodeSystem/drg": "MSDRG",
    "http://hl7.org/fhir/sid/ndc": "NDC",
    "urn:oid:2.16.840.1.113883.6.69": "NDC",
    "http://hl7.org/fhir/sid/cvx": "CVX",
    "urn:oid:2.16.840.1.113883.12.292": "CVX",
    "http://terminology.hl7.org/CodeSystem/MVX": "MVX",
    "http://hl7.org/fhir/sid/mvx": "MVX",
    "http://unitsofmeasure.org": "UCUM",
    "urn:oid:2.16.840.1.113883.6.8": "UCUM",
    "http://www.whocc.no/atc": "ATC",
    "urn:oid:2.16.840.1.113883.6.73": "ATC",
    "http://fdasis.nlm.nih.gov": "UNII",
    "urn:oid:2.16.840.1.113883.4.9": "UNII",
    "http://hl7.org/fhir/ndfrt": "NDFRT",
    "urn:oid:2.16.840.1.113883.3.26.1.5": "NDFRT",
    "http://ncithesaurus-stage.nci.nih.gov": "NCIT",
    "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl": "NCIT",
    "urn:oid:2.16.840.1.113883.3.26.1.1": "NCIT",
    "http://www.nlm.nih.gov/research/umls": "UMLS",
    "urn:oid:2.16.840.1.113883.6.86": "UMLS",
    "http://id.nlm.nih.gov/mesh": "MESH",
    "urn:oid:2.16.840.1.113883.6.177": "MESH",
    "http://www.genenames.org": "HGNC",
    "http://www.genenames.org/geneId": "HGNC",
    "urn:oid:2.16.840.1.113883.6.281": "HGNC",
    "http://varnomen.hgvs.org": "HGVS",
    "urn:oid:2.16.840.1.113883.6.282": "HGVS",
    "http://www.ncbi.nlm.nih.gov/clinvar": "CLINVAR",
    "http://www.ncbi.nlm.nih.gov/projects/SNP": "DBSNP",
    "http://www.ncbi.nlm.nih.gov/refseq": "REFSEQ",
    "http://www.pharmvar.org": "PHARMVAR",
    "http://human-phenotype-ontology.org": "HPO",
    "http://purl.obolibrary.org/obo/hp.owl": "HPO",
    "http://www.omim.org": "OMIM",
    "http://www.orpha.net": "ORPHA",
    "http://www.radlex.org": "RADLEX",
    "urn:oid:2.16.840.1.113883.6.256": "RADLEX",
    "http://dicom.nema.org/resources/ontology/DCM": "DCM",
    "urn:oid:1.2.840.10008.2.16.4": "DCM",
    "http://hl7.org/fhir/sid/us-ssn": "SSN",
    "http://www.ada.org/cdt": "CDT",
    "http://www.ada.org/snodent": "SNODENT",
    "urn:oid:2.16.840.1.113883.6.13": "CDT",
    "http://nucc.org/provider-taxonomy": "NUCC",
    "https://www.nubc.org/CodeSystem/RevenueCodes": "NUBC_REVENUE",
    "https://www.nubc.org/CodeSystem/PatDischargeStatus": "NUBC_DISCHARGE",
    "http://www.nubc.org/patient-discharge": "NUBC_DISCHARGE",
    "http://www.cms.gov/Medicare/Coding/place-of-service-codes": "POS",
    "urn:oid:2.16.840.1.113883.6.238": "CDCREC",
    "urn:iso:std:iso:11073:10101": "MDC",
    "urn:oid:2.16.840.1.113883.6.24": "MDC",
    "http://hl7.org/fhir/sid/icpc-1": "ICPC1",
    "http://hl7.org/fhir/sid/icpc-2": "ICPC2",
    "http://hl7.org/fhir/sid/icf-nl": "ICF",
    "urn:oid:2.16.840.1.113883.6.254": "ICF",
    "http://terminology.hl7.org/CodeSystem/nciVersionOfNDF-RT": "NDFRT",
    "http://dmd.nhs.uk": "DMD",
    "https://dmd.nhs.uk": "DMD",
    "https://fhir.nhs.uk/CodeSystem/dmd": "DMD",
    "http://read.info/readv2": "READ2",
    "http://read.info/ctv3": "CTV3",
    "urn:iso:std:iso:3166": "ISO3166",
    "urn:ietf:bcp:47": "BCP47",
    "urn:ietf:bcp:13": "BCP13",
    "urn:oid:2.16.840.1.113883.5.4": "v3-ActCode",
    "urn:oid:2.16.840.1.113883.5.83": "v3-ObservationInterpretation",
    "urn:oid:2.16.840.1.113883.5.2": "v3-MaritalStatus",
    "urn:oid:2.16.840.1.113883.5.111": "v3-RoleCode",
    "urn:oid:2.16.840.1.113883.5.112": "v3-RouteOfAdministration",
    "urn:oid:2.16.840.1.113883.5.1008": "v3-NullFlavor",
    "urn:oid:2.16.840.1.113883.12.112": "v2-0112",
    "urn:oid:2.16.840.1.113883.12.74": "v2-0074",
    "urn:oid:2.16.840.1.113883.12.78": "v2-0078",
}
"""Code system URI -> short name."""

_HL7 = re.compile(r"https?://(?:terminology\.hl7\.org/CodeSystem|hl7\.org/fhir)/(?:(v[23])/)?(\S+)")
_CACHED_SYSTEMS = 10_000


class _ShortNames(dict[str | None, str]):
    """Code system as sent -> short name; what is not in the table is worked out once."""

    def __missing__(self, system: str | None) -> str:
        name = _short_name(system)
        if len(self) < _CACHED_SYSTEMS:
            self[system] = name
        return name


def _short_name(system: str | None) -> str:
    if not system:
        return ""
    trimmed = system.strip().rstrip("/")
    plain = trimmed.replace("https://", "http://", 1)
    for candidate in (trimmed, plain, plain.replace("http://www.", "http://", 1)):
        if candidate in SHORT_NAMES:
            return SHORT_NAMES[candidate]
    if match := _HL7.fullmatch(trimmed):
        version, name = match.groups()
        return f"{version}-{name}" if version else name
    return trimmed


_SHORT = _ShortNames(SHORT_NAMES)


def code_text(system: str | None, code: str) -> str:
    """System URI and code -> `SYSTEM//code`.

    >>> code_text("http://loinc.org", "8480-6"), code_text("http://x.org/lab", "7")
    ('LOINC//8480-6', 'http://x.org/lab//7')
    """
    return f"{_SHORT[system]}//{code}"


def coding_texts(concepts: Iterable[CodeableConcept]) -> list[str]:
    """Every coding of the concepts as `SYSTEM//code`; one without code is left out."""
    return [
        f"{_SHORT[coding.system]}//{coding.code}"
        for concept in concepts
        for coding in concept.coding
        if coding.code
    ]


def read_concept(
    concept: CodeableConcept | None, resource_type: str
) -> tuple[str, str | None, list[str]]:
    """CodeableConcept -> code of its first coding, text where that is all there is, other codes.

    >>> read_concept(CodeableConcept(text="sore throat"), "Condition")
    ('Condition//TEXT', 'sore throat', [])
    """
    if concept is not None:
        codings = concept.coding
        if len(codings) == 1 and codings[0].code:
            coding = codings[0]
            return f"{_SHORT[coding.system]}//{coding.code}", None, []
        texts = coding_texts((concept,))
        if texts:
            return texts[0], None, texts[1:]
        text = label(concept)
        if text:
            return f"{resource_type}//TEXT", text, []
    return f"{resource_type}//UNKNOWN", None, []


def label(concept: CodeableConcept) -> str | None:
    """Text of a concept for people: its text, else the first display, else the first code."""
    if concept.text:
        return concept.text
    for coding in concept.coding:
        if coding.display or coding.code:
            return coding.display or coding.code
    return None


def prefixed(prefix: str, coding: Coding | None) -> str:
    """`prefix//code` without the system, for vocabularies where the prefix says enough.

    >>> prefixed("RACE", Coding("urn:oid:2.16.840.1.113883.6.238", "2106-3"))
    'RACE//2106-3'
    """
    return f"{prefix}//{coding.code if coding is not None and coding.code else 'UNKNOWN'}"
