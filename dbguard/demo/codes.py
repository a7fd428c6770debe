"""What the sample data is made of: real codes, everyday names, and places.

ICD-10-CM, LOINC and RxNorm codes are those of the published code systems. People are invented.
"""

# ruff: noqa: SIM905 - long lists of words read better as text

from __future__ import annotations

from typing import NamedTuple


class Diagnosis(NamedTuple):
    """An ICD-10-CM code and how common it is here."""

    icd10: str
    description: str
    weight: int


class LabTest(NamedTuple):
    """A LOINC code and what results look like: a normal distribution, cut at a tenth of mean."""

    loinc: str
    name: str
    unit: str
    mean: float
    deviation: float
    decimals: int


class Drug(NamedTuple):
    """An RxNorm ingredient and a usual dose."""

    rxnorm: str
    name: str
    dose: str


class Place(NamedTuple):
    """A city with a ZIP code; `thin` where the three-digit area has 20,000 people or fewer."""

    city: str
    state: str
    zip: str
    thin: bool = False


DIAGNOSES = (
    Diagnosis("I10", "Essential (primary) hypertension", 30),
    Diagnosis("E11.9", "Type 2 diabetes mellitus without complications", 20),
    Diagnosis("E78.5", "Hyperlipidemia, unspecified", 20),
    Diagnosis("J06.9", "Acute upper respiratory infection, unspecified", 14),
    Diagnosis("M54.50", "Low back pain, unspecified", 12),
    Diagnosis("F41.1", "Generalized anxiety disorder", 9),
    Diagnosis("F32.A", "Depression, unspecified", 9),
    Diagnosis("K21.9", "Gastro-esophageal reflux disease without esophagitis", 9),
    Diagnosis("J45.909", "Unspecified asthma, uncomplicated", 8),
    Diagnosis("N39.0", "Urinary tract infection, site not specified", 8),
    Diagnosis("E03.9", "Hypothyroidism, unspecified", 7),
    Diagnosis("I25.10", "Atherosclerotic heart disease of native coronary artery", 6),
    Diagnosis("I48.91", "Unspecified atrial fibrillation", 5),
    Diagnosis("J44.9", "Chronic obstructive pulmonary disease, unspecified", 5),
    Diagnosis("N18.30", "Chronic kidney disease, stage 3 unspecified", 5),
    Diagnosis("E66.9", "Obesity, unspecified", 8),
    Diagnosis("D64.9", "Anemia, unspecified", 5),
    Diagnosis("G43.909", "Migraine, unspecified, not intractable", 5),
    Diagnosis("I50.9", "Heart failure, unspecified", 4),
    Diagnosis("J18.9", "Pneumonia, unspecified organism", 4),
    Diagnosis("R07.9", "Chest pain, unspecified", 6),
    Diagnosis("S93.401A", "Sprain of unspecified ligament of right ankle, initial encounter", 4),
    Diagnosis("C50.911", "Malignant neoplasm of unspecified site of right female breast", 1),
    Diagnosis("B20", "Human immunodeficiency virus [HIV] disease", 1),
    Diagnosis("Z00.00", "General adult medical examination without abnormal findings", 18),
)

LAB_TESTS = (
    LabTest("2345-7", "Glucose [Mass/volume] in Serum or Plasma", "mg/dL", 108, 28, 0),
    LabTest("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "%", 6.1, 1.2, 1),
    LabTest("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "mg/dL", 1.0, 0.3, 2),
    LabTest("3094-0", "Urea nitrogen [Mass/volume] in Serum or Plasma", "mg/dL", 16, 5, 0),
    LabTest("2951-2", "Sodium [Moles/volume] in Serum or Plasma", "mmol/L", 140, 3, 0),
    LabTest("2823-3", "Potassium [Moles/volume] in Serum or Plasma", "mmol/L", 4.2, 0.4, 1),
    LabTest("17861-6", "Calcium [Mass/volume] in Serum or Plasma", "mg/dL", 9.4, 0.5, 1),
    LabTest("718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL", 13.8, 1.6, 1),
    LabTest("6690-2", "Leukocytes [#/volume] in Blood by Automated count", "10*3/uL", 7.2, 2, 1),
    LabTest("777-3", "Platelets [#/volume] in Blood by Automated count", "10*3/uL", 250, 60, 0),
    LabTest("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma", "mg/dL", 190, 38, 0),
    LabTest("2085-9", "Cholesterol in HDL [Mass/volume] in Serum or Plasma", "mg/dL", 53, 14, 0),
    LabTest("2571-8", "Triglyceride [Mass/volume] in Serum or Plasma", "mg/dL", 140, 60, 0),
    LabTest("3016-3", "Thyrotropin [Units/volume] in Serum or Plasma", "mIU/L", 2.2, 1.1, 2),
    LabTest("1742-6", "Alanine aminotransferase in Serum or Plasma", "U/L", 27, 12, 0),
    LabTest("1920-8", "Aspartate aminotransferase in Serum or Plasma", "U/L", 25, 9, 0),
    LabTest("1975-2", "Bilirubin.total [Mass/volume] in Serum or Plasma", "mg/dL", 0.7, 0.3, 1),
    LabTest("1988-5", "C reactive protein [Mass/volume] in Serum or Plasma", "mg/L", 4, 3, 1),
)

DRUGS = (
    Drug("6809", "metformin", "500 mg twice daily"),
    Drug("29046", "lisinopril", "10 mg once daily"),
    Drug("83367", "atorvastatin", "20 mg at bedtime"),
    Drug("17767", "amlodipine", "5 mg once daily"),
    Drug("10582", "levothyroxine", "50 mcg once daily"),
    Drug("6918", "metoprolol", "25 mg twice daily"),
    Drug("7646", "omeprazole", "20 mg once daily"),
    Drug("52175", "losartan", "50 mg once daily"),
    Drug("435", "albuterol", "2 puffs as needed"),
    Drug("25480", "gabapentin", "300 mg three times daily"),
    Drug("5487", "hydrochlorothiazide", "25 mg once daily"),
    Drug("36437", "sertraline", "50 mg once daily"),
    Drug("4603", "furosemide", "40 mg once daily"),
    Drug("8640", "prednisone", "20 mg once daily"),
    Drug("723", "amoxicillin", "500 mg three times daily"),
    Drug("18631", "azithromycin", "250 mg once daily"),
    Drug("5640", "ibuprofen", "400 mg as needed"),
    Drug("1191", "aspirin", "81 mg once daily"),
    Drug("11289", "warfarin", "5 mg once daily"),
    Drug("32968", "clopidogrel", "75 mg once daily"),
)

PLACES = (
    Place("Boston", "MA", "02118"),
    Place("New York", "NY", "10027"),
    Place("Philadelphia", "PA", "19104"),
    Place("Baltimore", "MD", "21205"),
    Place("Atlanta", "GA", "30312"),
    Place("Cleveland", "OH", "44106"),
    Place("Chicago", "IL", "60612"),
    Place("Minneapolis", "MN", "55415"),
    Place("Houston", "TX", "77030"),
    Place("Denver", "CO", "80204"),
    Place("Phoenix", "AZ", "85008"),
    Place("Los Angeles", "CA", "90033"),
    Place("San Francisco", "CA", "94110"),
    Place("Seattle", "WA", "98104"),
    Place("Charlestown", "NH", "03603", thin=True),
    Place("Guildhall", "VT", "05905", thin=True),
    Place("Two Harbors", "MN", "55616", thin=True),
    Place("Valentine", "NE", "69201", thin=True),
    Place("Rawlins", "WY", "82301", thin=True),
    Place("Jackson", "WY", "83001", thin=True),
    Place("Truth or Consequences", "NM", "87901", thin=True),
    Place("Ely", "NV", "89301", thin=True),
)
"""The thin ones lie in prefixes that Safe Harbor wants as 000 (2000 Census)."""

FEMALE_NAMES = tuple(
    "Maria Aisha Emma Olivia Sofía Grace Hannah Mei Priya Fatima Ingrid Chloé Nora Ruth Zoë "
    "Leila Amara Yuki Elena Rosa Agnes Martha Dorothy Evelyn Beatrice Lucy Naomi Joy".split()
)
MALE_NAMES = tuple(
    "James Omar Liam Noah Mateo Daniel Samuel Wei Arjun Hassan Lars René Victor Isaac Tomás "
    "Kofi Hiroshi Dmitri Pablo Henry Walter Arthur Frank Eugene Felix Simon Leon Amir".split()
)
LAST_NAMES = tuple(
    "Smith Garcia Johnson Nguyen Brown Lee Martinez Patel Kim Müller O'Brien Khan Rossi Cohen "
    "Okafor Silva Ivanov Tanaka Andersson Dubois Novak Haddad Chen Wright Baker Adams Hughes "
    "Foster Rivera Morgan Reyes Price Sanders Bennett Coleman Jenkins Perry Powell Long Ross "
    "Ramírez Sørensen Kowalski Papadopoulos Fitzgerald D'Angelo Abernathy Lindqvist".split()
)
STREETS = ("Oak", "Maple", "Cedar", "Elm", "Washington", "Lake", "Hill", "Park", "Main", "River")
ALLERGIES = ("penicillin", "sulfonamides", "latex", "peanuts", "shellfish", "iodine", "aspirin")
SPECIALTIES = (
    "Family Medicine",
    "Internal Medicine",
    "Emergency Medicine",
    "Cardiology",
    "Endocrinology",
    "Psychiatry",
    "Pediatrics",
    "Orthopedic Surgery",
    "Nephrology",
    "Oncology",
)
KINDS = (("outpatient", 60), ("telehealth", 18), ("emergency", 14), ("inpatient", 8))
STATUSES = (("paid", 70), ("submitted", 15), ("denied", 10), ("appealed", 5))
INSURERS = ("BLU", "AET", "UHC", "KAI", "MCR", "MCD")
