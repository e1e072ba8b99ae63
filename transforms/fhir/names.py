"""Resource types of FHIR R4 and R4B, and those that only other versions have.

Source: https://hl7.org/fhir/R4/resourcelist.html, https://hl7.org/fhir/R4B/resourcelist.html
"""

_R4 = """
    Account ActivityDefinition AdverseEvent AllergyIntolerance Appointment AppointmentResponse
    AuditEvent Basic Binary BiologicallyDerivedProduct BodyStructure Bundle CapabilityStatement
    CarePlan CareTeam CatalogEntry ChargeItem ChargeItemDefinition Claim ClaimResponse
    ClinicalImpression CodeSystem Communication CommunicationRequest CompartmentDefinition
    Composition ConceptMap Condition Consent Contract Coverage CoverageEligibilityRequest
    CoverageEligibilityResponse DetectedIssue Device DeviceDefinition DeviceMetric DeviceRequest
    DeviceUseStatement DiagnosticReport DocumentManifest DocumentReference
    EffectEvidenceSynthesis Encounter Endpoint EnrollmentRequest EnrollmentResponse EpisodeOfCare
    EventDefinition Evidence EvidenceVariable ExampleScenario ExplanationOfBenefit
    FamilyMemberHistory Flag Goal GraphDefinition Group GuidanceResponse HealthcareService
    ImagingStudy Immunization ImmunizationEvaluation ImmunizationRecommendation
    ImplementationGuide InsurancePlan Invoice Library Linkage List Location Measure MeasureReport
    Media Medication MedicationAdministration MedicationDispense MedicationKnowledge
    MedicationRequest MedicationStatement MedicinalProduct MedicinalProductAuthorization
    MedicinalProductContraindication MedicinalProductIndication MedicinalProductIngredient
    MedicinalProductInteraction MedicinalProductManufactured MedicinalProductPackaged
    MedicinalProductPharmaceutical MedicinalProductUndesirableEffect MessageDefinition
    MessageHeader MolecularSequence NamingSystem NutritionOrder Observation ObservationDefinition
    OperationDefinition OperationOutcome Organization OrganizationAffiliation Parameters Patient
    PaymentNotice PaymentReconciliation Person PlanDefinition Practitioner PractitionerRole
    Procedure Provenance Questionnaire QuestionnaireResponse RelatedPerson RequestGroup
    ResearchDefinition ResearchElementDefinition ResearchStudy ResearchSubject RiskAssessment
    RiskEvidenceSynthesis Schedule SearchParameter ServiceRequest Slot Specimen
    SpecimenDefinition StructureDefinition StructureMap Subscription Substance
    SubstanceNucleicAcid SubstancePolymer SubstanceProtein SubstanceReferenceInformation
    SubstanceSourceMaterial SubstanceSpecification SupplyDelivery SupplyRequest Task
    TerminologyCapabilities TestReport TestScript ValueSet VerificationResult VisionPrescription
"""

_R4B = """
    AdministrableProductDefinition Citation ClinicalUseDefinition EvidenceReport Ingredient
    ManufacturedItemDefinition MedicinalProductDefinition NutritionProduct
    PackagedProductDefinition RegulatedAuthorization SubscriptionStatus SubscriptionTopic
    SubstanceDefinition
"""

_BEFORE_R4 = """
    BodySite Conformance DataElement DeviceComponent DeviceUseRequest DiagnosticOrder
    EligibilityRequest EligibilityResponse ExpansionProfile ImagingManifest
    ImagingObjectSelection MedicationOrder Order OrderResponse ProcedureRequest
    ProcessRequest ProcessResponse ReferralRequest Sequence ServiceDefinition
"""
_R5 = """
    ActorDefinition ArtifactAssessment BiologicallyDerivedProductDispense
    ConditionDefinition DeviceAssociation DeviceDispense DeviceUsage EncounterHistory
    FormularyItem GenomicStudy ImagingSelection InventoryItem InventoryReport
    MedicationUsage NutritionIntake Permission RequestOrchestration Requirements TestPlan
    Transport
"""

R4_TYPES = frozenset(_R4.split())

R4B_TYPES = frozenset(_R4B.split())
"""Types that R4B adds to R4."""

OTHER_VERSIONS_TYPES = {
    **dict.fromkeys(_BEFORE_R4.split(), "DSTU2 or STU3"),
    **dict.fromkeys(_R5.split(), "R5"),
}
"""Types of other versions -> the version.

Source: https://hl7.org/fhir/STU3/resourcelist.html, https://hl7.org/fhir/R5/resourcelist.html
"""


def known_type(name: object) -> bool:
    """Whether the name is a resource type of any FHIR version.

    >>> known_type("Patient"), known_type("MedicationUsage"), known_type("Jane Doe")
    (True, True, False)
    """
    return isinstance(name, str) and (
        name in R4_TYPES or name in R4B_TYPES or name in OTHER_VERSIONS_TYPES
    )
