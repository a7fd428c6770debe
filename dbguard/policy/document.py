"""The shape of a rules file: pydantic models, and the JSON Schema that editors use.

Shape only: what names refer to is checked in `linking`, over all files at once.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from dbguard.sql.facts import Action, ActionClass

from .durations import parse_duration
from .problems import did_you_mean
from .sizes import parse_size

ALL = "all"
ACTION_WORDS = tuple(sorted({*map(str, Action), *map(str, ActionClass), ALL}))
TAG_EXPRESSION = r"^[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)*$"
NAME_EXPRESSION = r"^[A-Za-z0-9_][A-Za-z0-9_.@-]*$"


def _action_word(word: str) -> str:
    if word not in ACTION_WORDS:
        remedy = did_you_mean(word, ACTION_WORDS, "see the list in docs/policy.md")
        raise PydanticCustomError(
            "unknown_word", "unknown action {word}", {"word": repr(word), "remedy": remedy}
        )
    return word


def _duration(text: str) -> str:
    try:
        parse_duration(text)
    except ValueError:
        raise PydanticCustomError(
            "not_a_duration",
            "not a duration",
            {"remedy": "write a whole number and s, m, h or d, as in 1h"},
        ) from None
    return text


def _size(text: str) -> str:
    try:
        parse_size(text)
    except ValueError:
        raise PydanticCustomError(
            "not_a_size",
            "not a size",
            {"remedy": "write a whole number and kB, MB, GB or TB, as in 1GB"},
        ) from None
    return text


Text = Annotated[str, Field(min_length=1, max_length=500)]
TagName = Annotated[str, Field(pattern=TAG_EXPRESSION)]
TagReference = Annotated[str, Field(pattern=r"^(\*|[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)*)$")]
Name = Annotated[str, Field(pattern=NAME_EXPRESSION)]
ActionWord = Annotated[
    str, AfterValidator(_action_word), Field(json_schema_extra={"enum": list(ACTION_WORDS)})
]
Duration = Annotated[str, AfterValidator(_duration), Field(examples=["1h", "30m", "2d"])]
Size = Annotated[str, AfterValidator(_size), Field(examples=["64MB", "1GB"])]
Year = Annotated[int, Field(ge=1800, le=2200, strict=True)]
Length = Annotated[int, Field(ge=1, le=64, strict=True)]
Prefix = Annotated[str, Field(pattern=r"^[0-9]{3}$")]


class Shape(BaseModel):
    """Base of all: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    later: ClassVar[tuple[str, ...]] = ()
    """Keys of the language that this release does not support."""


class ClassificationShape(Shape):
    tag: TagName
    columns: tuple[Text, ...] = ()
    tables: tuple[Text, ...] = ()
    source: Text | None = None


class RoleShape(Shape):
    later: ClassVar[tuple[str, ...]] = ("claims", "certificates", "networks")

    users: tuple[Text, ...] = ()
    groups: tuple[Text, ...] = ()
    identities: tuple[Text, ...] | None = None
    """Given but empty: a role that is held by those it comes with, and nobody else."""
    attributes: dict[Name, Annotated[tuple[Text, ...], Field(min_length=1)]] = {}


class RedactShape(Shape):
    redact: Text


class KeepFirstShape(Shape):
    keep_first: Length
    with_: str = Field(default="***", alias="with", max_length=64)


class KeepLastShape(Shape):
    keep_last: Length
    with_: str = Field(default="***", alias="with", max_length=64)


class YearTerms(Shape):
    floor: Year


class YearShape(Shape):
    year: YearTerms


class Zip3Terms(Shape):
    restricted: tuple[Prefix, ...]


class Zip3Shape(Shape):
    zip3: Zip3Terms


class AgeCapShape(Shape):
    age_cap: Annotated[int, Field(ge=1, le=150, strict=True)]


MaskWord = Literal["null", "redact", "year", "zip3", "age_cap"]
_MASK_KEYS = ("redact", "keep_first", "keep_last", "year", "zip3", "age_cap")
LATER_MASKS = ("token", "fake", "scrub", "bucket", "hash", "shift", "function")


def _mask_shape(value: Any) -> str | None:
    if isinstance(value, str) or value is None:
        return "word"
    if isinstance(value, dict):
        return next((key for key in _MASK_KEYS if key in value), None)
    return None


MaskShape = Annotated[
    Annotated[MaskWord | None, Tag("word")]
    | Annotated[RedactShape, Tag("redact")]
    | Annotated[KeepFirstShape, Tag("keep_first")]
    | Annotated[KeepLastShape, Tag("keep_last")]
    | Annotated[YearShape, Tag("year")]
    | Annotated[Zip3Shape, Tag("zip3")]
    | Annotated[AgeCapShape, Tag("age_cap")],
    Discriminator(
        _mask_shape,
        custom_error_type="unknown_mask",
        custom_error_message="unknown mask",
        custom_error_context={
            "remedy": "use null, redact, keep_first, keep_last, year, zip3 or age_cap"
        },
    ),
]


class ConditionShape(Shape):
    later: ClassVar[tuple[str, ...]] = ("rows", "limit", "expression")

    where: Literal["missing"]


class BackupShape(Shape):
    later: ClassVar[tuple[str, ...]] = ("covers",)

    max_age: Duration
    on_missing: Literal["refuse", "take"] = "refuse"
    min_verification: Literal["exists", "checksum", "tool", "restored"] = "restored"
    providers: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    max_wal: Size | None = None
    max_take_size: Size | None = None


class RequireShape(Shape):
    later: ClassVar[tuple[str, ...]] = ("approval", "ticket", "purpose", "signal", "mfa")

    backup: BackupShape


class RuleShape(Shape):
    later: ClassVar[tuple[str, ...]] = (
        "when", "expression", "rows", "row_filter", "filter", "uses", "mode", "signals", "limit",
        "rate", "break_glass", "networks", "hours", "databases", "expires",
    )  # fmt: skip

    id: Name
    allow: tuple[ActionWord, ...] | None = None
    deny: tuple[ActionWord, ...] | None = None
    require: RequireShape | None = None
    actions: tuple[ActionWord, ...] = ()
    roles: tuple[Name, ...] = ()
    data: tuple[TagReference, ...] = ()
    tables: tuple[Text, ...] = ()
    environments: tuple[Name, ...] = ()
    masked: Name | None = None
    if_: ConditionShape | None = Field(default=None, alias="if")
    unless: Literal["additive"] | None = None
    because: Text | None = None


class FunctionsShape(Shape):
    later: ClassVar[tuple[str, ...]] = ("unsafe", "deny", "trusted_extensions")

    safe: tuple[Text, ...] = ()


class UnclassifiedShape(Shape):
    read: Literal["allow", "deny"] = "allow"
    write: Literal["allow", "deny"] = "allow"
    ddl: Literal["allow", "deny"] = "deny"
    privilege: Literal["allow", "deny"] = "deny"
    code: Literal["allow", "deny"] = "deny"
    maintenance: Literal["allow", "deny"] = "deny"


class DefaultsShape(Shape):
    classified: Literal["deny"] = "deny"
    unclassified: UnclassifiedShape = UnclassifiedShape()
    unparsed: Literal["allow", "deny"] = "deny"


class FileShape(Shape):
    """One rules file; every key may stand in any file of the folder."""

    later: ClassVar[tuple[str, ...]] = (
        "networks", "signals", "row_filters", "filters", "approvals", "break_glass", "channels",
        "include", "budgets",
    )  # fmt: skip

    classification: tuple[ClassificationShape, ...] = ()
    declassified: tuple[Text, ...] = ()
    roles: dict[Name, RoleShape] = {}
    masks: dict[Name, dict[TagReference, MaskShape]] = {}
    rules: tuple[RuleShape, ...] = ()
    functions: FunctionsShape | None = None
    defaults: DefaultsShape | None = None
    mode: Literal["enforce"] | None = None


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of one rules file, for editors."""
    schema = FileShape.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
