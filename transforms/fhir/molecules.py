"""SubstanceDefinition and MolecularSequence: compounds as SMILES, targets as amino acids.

They are about no patient, and become rows of `molecules` instead of events.

Sources: https://hl7.org/fhir/R4B/substancedefinition.html,
https://hl7.org/fhir/R4/molecularsequence.html
"""

import dataclasses

from msgspec import UNSET, field

from transforms.errors import InputError
from transforms.fhir.datatypes import (
    CodeableConcept,
    Element,
    Identifier,
    NotInR4,
    Reference,
    Resource,
)
from transforms.molecules import check_sequence, check_smiles

COMPOUND, TARGET = "compound", "target"
OF_A_PATIENT = "sequence of a patient"
_SMILES = "smiles"  # also canonicalSMILES, isomeric_smiles
_AMINO_ACIDS = "aa"


class Representation(Element):
    """A structure written down; `format` or, in older exports, `type` says how."""

    type: CodeableConcept | None = None
    representation: str | None = None
    format: CodeableConcept | None = None


class Structure(Element):
    """The structure of a substance."""

    representation: tuple[Representation, ...] = ()


class SubstanceName(Element):
    """One of a substance's names."""

    name: str
    preferred: bool | None = None


class ConceptStatus(Element, eq=False):
    """A status that is a concept (draft, active, retired); which one is not read."""


class SubstanceDefinition(Resource, kw_only=True):
    """What is kept of a SubstanceDefinition (R4B)."""

    status: ConceptStatus | None = None  # type: ignore[assignment] # a code in other types
    identifier: tuple[Identifier, ...] = ()
    name: tuple[SubstanceName, ...] = ()
    structure: Structure | None = None
    characterization: NotInR4 = UNSET
    nucleic_acid: NotInR4 = UNSET
    polymer: NotInR4 = UNSET
    protein: NotInR4 = UNSET
    reference_information: NotInR4 = UNSET


class ReferenceSequence(Element):
    """The sequence that an observed one is compared with."""

    reference_seq_id: CodeableConcept | None = None


class MolecularSequence(Resource, kw_only=True):
    """What is kept of a MolecularSequence."""

    identifier: tuple[Identifier, ...] = ()
    type: str | None = None
    subject: Reference | None = field(name="patient", default=None)
    reference_seq: ReferenceSequence | None = None
    observed_seq: str | None = None
    focus: NotInR4 = UNSET
    formatted: NotInR4 = UNSET
    literal: NotInR4 = UNSET
    relative: NotInR4 = UNSET
    subject_in_r5: NotInR4 = field(name="subject", default=UNSET)


@dataclasses.dataclass(frozen=True, slots=True)
class Molecule:
    """A compound (`smiles`) or a target (`sequence`); without name and identifier `name` is None.

    `kind` is COMPOUND or TARGET.
    """

    kind: str
    name: str | None
    smiles: str | None = None
    sequence: str | None = None


def molecule_from_substance(substance: SubstanceDefinition) -> Molecule | str:
    """SubstanceDefinition -> its first SMILES, under its preferred name; else why it has none.

    Source: https://hl7.org/fhir/R4B/substancedefinition.html
    Raises: InputError, when the SMILES cannot be read.
    """
    written = () if substance.structure is None else substance.structure.representation
    found = (item.representation for item in written if item.representation and _is_smiles(item))
    smiles = next(found, "").strip()
    if not smiles:
        return "no SMILES"
    reason = check_smiles(smiles)
    if reason is not None:
        raise InputError(f"SubstanceDefinition.structure.representation: {reason}")
    preferred = [item.name for item in substance.name if item.preferred]
    names = [*preferred, *(item.name for item in substance.name)]
    return Molecule(COMPOUND, _first(names) or _value(substance.identifier), smiles=smiles)


def molecule_from_sequence(sequence: MolecularSequence) -> Molecule | str:
    """MolecularSequence of amino acids -> what was observed; else why it is left out.

    Its name is its identifier, else that of the reference sequence. The sequence of a patient is
    no target: it is left out.

    Source: https://hl7.org/fhir/R4/molecularsequence.html
    Raises: InputError, when the sequence cannot be read.
    """
    if sequence.subject is not None:
        return OF_A_PATIENT
    if sequence.type != _AMINO_ACIDS or not sequence.observed_seq:
        return "no amino acids"
    letters = "".join(sequence.observed_seq.split())
    reason = check_sequence(letters)
    if reason is not None:
        raise InputError(f"MolecularSequence.observedSeq: {reason}")
    name = _value(sequence.identifier)
    if name is None and sequence.reference_seq is not None:
        concept = sequence.reference_seq.reference_seq_id or CodeableConcept()
        name = _first([*(coding.code or "" for coding in concept.coding), concept.text or ""])
    return Molecule(TARGET, name, sequence=letters)


def _is_smiles(item: Representation) -> bool:
    texts = [
        text
        for concept in (item.format, item.type)
        if concept is not None
        for text in (
            concept.text,
            *(part for coding in concept.coding for part in (coding.code, coding.display)),
        )
    ]
    return any(_SMILES in text.lower() for text in texts if text)


def _first(texts: list[str]) -> str | None:
    """The first text that is not empty."""
    return next((text.strip() for text in texts if text.strip()), None)


def _value(identifiers: tuple[Identifier, ...]) -> str | None:
    """The value of the first identifier that has one."""
    return _first([identifier.value or "" for identifier in identifiers])
