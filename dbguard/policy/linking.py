"""Documents to one policy: what names refer to, and what only shows over all files."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dbguard.server_settings import OWN_PROVIDER
from dbguard.sql.facts import Action, ActionClass

from . import document
from .decision import Mask, OnMissing, Verification
from .document import TAG_EXPRESSION, BackupShape, FileShape, MaskShape, RuleShape
from .durations import parse_duration
from .mask_entries import mask_of
from .model import (
    EVERY_TAG,
    Attribute,
    Backup,
    Classified,
    Defaults,
    MaskProfile,
    Policy,
    PolicyRole,
    Rule,
    RuleEffect,
    covers,
)
from .patterns import Pattern, parse_pattern
from .problems import Place, Problem, did_you_mean
from .shaping import Document, place_of
from .signatures import parse_signature
from .sizes import parse_size

_RESERVED = ("defaults", "system", "internal")


def actions_of(words: Iterable[str]) -> frozenset[Action]:
    """The actions that words of a rule name: actions, classes, or `all`."""
    found: set[Action] = set()
    for word in words:
        if word == document.ALL:
            found.update(Action)
        elif word in set(map(str, ActionClass)):
            found.update(a for a in Action if a.action_class == word)
        else:
            found.add(Action(word))
    return frozenset(found)


def link(documents: Sequence[Document]) -> tuple[Policy, tuple[Problem, ...]]:
    """Join the documents; the policy is only good when there is no problem."""
    linker = _Linker(documents)
    policy = linker.link()
    return policy, tuple(linker.problems)


@dataclass(slots=True)
class _Linker:
    documents: Sequence[Document]
    problems: list[Problem] = field(default_factory=list)

    def link(self) -> Policy:
        classification = self._classification()
        declassified = self._declassified()
        roles = self._roles()
        profiles = self._profiles()
        rules = self._rules({p.name: p for p in profiles})
        safe = self._safe_functions()
        defaults = self._defaults()
        self._once("mode")
        return Policy(
            classification,
            roles,
            profiles,
            rules,
            safe,
            defaults,
            _digest(classification, roles, profiles, rules, safe, defaults, declassified),
            declassified,
        )

    def _report(self, place: Place, what: str, remedy: str) -> None:
        self.problems.append(Problem(place, what, remedy))

    def _known(self, section: str) -> frozenset[str]:
        return frozenset().union(*(d.names.get(section, frozenset()) for d in self.documents))

    def _pattern(self, text: str, parts: int, place: Place) -> Pattern | None:
        try:
            return parse_pattern(text, parts)
        except ValueError as error:
            self._report(place, str(error), 'write names joined by dots, odd ones in "quotes"')
            return None

    def _patterns(
        self, texts: Sequence[str], parts: int, places: Sequence[Place]
    ) -> tuple[Pattern, ...]:
        found = (self._pattern(t, parts, p) for t, p in zip(texts, places, strict=True))
        return tuple(p for p in found if p is not None)

    def _classification(self) -> tuple[Classified, ...]:
        result = []
        for doc in self.documents:
            for at, entry in enumerate(doc.content.classification):
                place = place_of(doc, "classification", at)
                if entry.tag.split(".")[0] == "system":
                    self._report(place, "tags under system are built in", "use another name")
                if not entry.columns and not entry.tables:
                    self._report(place, f"{entry.tag} names no columns and no tables", "add them")
                columns, tables = (
                    [place_of(doc, "classification", at, key, i) for i in range(len(texts))]
                    for key, texts in (("columns", entry.columns), ("tables", entry.tables))
                )
                result.append(
                    Classified(
                        entry.tag,
                        self._patterns(entry.columns, 3, columns),
                        self._patterns(entry.tables, 2, tables),
                        entry.source or "",
                    )
                )
        return tuple(result)

    def _declassified(self) -> tuple[Pattern, ...]:
        found: list[Pattern] = []
        for doc in self.documents:
            texts = doc.content.declassified
            places = [doc.tree.place(("declassified", i)) for i in range(len(texts))]
            found += self._patterns(texts, 3, places)
        return tuple(found)

    def _roles(self) -> tuple[PolicyRole, ...]:
        seen: dict[str, Place] = {}
        result = []
        for doc in self.documents:
            for name, entry in doc.content.roles.items():
                place = doc.tree.key_place(("roles", name))
                if self._duplicate("role", name, place, seen):
                    continue
                named = entry.users or entry.groups or entry.attributes
                if not named and entry.identities is None:
                    self._report(
                        place,
                        f"role {name} has no users, groups, identities or attributes",
                        "add some, or identities: [] for a role that comes with identities",
                    )
                attributes = (
                    Attribute(key, frozenset(values)) for key, values in entry.attributes.items()
                )
                result.append(
                    PolicyRole(
                        name,
                        frozenset(entry.users),
                        frozenset(entry.groups),
                        frozenset(entry.identities or ()),
                        frozenset(attributes),
                    )
                )
        return tuple(result)

    def _duplicate(self, kind: str, name: str, place: Place, seen: dict[str, Place]) -> bool:
        if first := seen.get(name):
            what = f"{kind} {name} is already defined in {first.file}:{first.line}"
            self._report(place, what, "rename or remove one of them")
            return True
        seen[name] = place
        return False

    def _tag_exists(self, name: str) -> bool:
        return name == EVERY_TAG or any(covers(name, tag) for tag in self._known("tags"))

    def _check_tag(self, name: str, place: Place) -> None:
        if not self._tag_exists(name):
            known = {".".join(tag.split(".")[: n + 1]) for tag in self._known("tags")
                     for n in range(tag.count(".") + 1)}  # fmt: skip
            remedy = did_you_mean(name, known, "add it to the classification")
            self._report(place, f"unknown tag {name!r}", remedy)

    def _profiles(self) -> tuple[MaskProfile, ...]:
        seen: dict[str, Place] = {}
        result = []
        for doc in self.documents:
            for name, masks in doc.content.masks.items():
                if self._duplicate("profile", name, doc.tree.key_place(("masks", name)), seen):
                    continue
                for tag in masks:
                    self._check_tag(tag, doc.tree.key_place(("masks", name, tag)))
                result.append(MaskProfile(name, _masks(masks)))
        return tuple(result)

    def _rules(self, profiles: dict[str, MaskProfile]) -> tuple[Rule, ...]:
        seen: dict[str, Place] = {}
        result = []
        for doc in self.documents:
            for at, shape in enumerate(doc.content.rules):
                place = place_of(doc, "rules", at)
                if self._duplicate("rule", shape.id, place_of(doc, "rules", at, "id"), seen):
                    continue
                if rule := self._rule(doc, at, shape, place, profiles):
                    result.append(rule)
            for index, entry in doc.broken_rules.items():
                self._check_references(doc, index, entry)
        if not self._known("rules"):
            place = Place(self.documents[0].tree.file if self.documents else "rules")
            self._report(place, "no rules at all", "add a rules: list to a file of the folder")
        return tuple(result)

    def _rule(
        self,
        doc: Document,
        at: int,
        shape: RuleShape,
        place: Place,
        profiles: dict[str, MaskProfile],
    ) -> Rule | None:
        before = len(self.problems)
        effect = self._effect(shape, place)
        words = shape.allow or shape.deny or shape.actions
        index = doc.rules[at]
        self._check_references(doc, index, {"roles": shape.roles, "data": shape.data})
        if shape.masked is not None:
            self._check_masked(shape, place_of(doc, "rules", at, "masked"), profiles)
        backup = shape.require.backup if shape.require else None
        if backup is not None:
            self._check_backup(backup, place_of(doc, "rules", at, "require", "backup"))
        places = [place_of(doc, "rules", at, "tables", i) for i in range(len(shape.tables))]
        tables = self._patterns(shape.tables, 2, places)
        if effect is None or len(self.problems) > before:
            return None
        if shape.masked is not None and shape.masked not in profiles:
            return None  # the profile is broken itself, and reported there
        return Rule(
            id=shape.id,
            effect=effect,
            actions=actions_of(words),
            roles=frozenset(shape.roles),
            data=frozenset(shape.data),
            tables=tables,
            environments=frozenset(shape.environments),
            masked=profiles[shape.masked] if shape.masked else None,
            where_missing=shape.if_ is not None,
            backup=_backup(backup) if backup else None,
            unless_additive=shape.unless == "additive",
            because=shape.because or "",
        )

    def _check_references(self, doc: Document, index: int, entry: Mapping[str, object]) -> None:
        """The roles and tags that a rule names; of a broken rule, as far as they can be read."""
        roles, data = entry.get("roles"), entry.get("data")
        for i, role in enumerate(roles if isinstance(roles, list | tuple) else ()):
            if isinstance(role, str) and role not in self._known("roles"):
                self._report(
                    doc.tree.place(("rules", index, "roles", i)),
                    f"unknown role {role!r}",
                    did_you_mean(role, self._known("roles"), "define it under roles:"),
                )
        for i, tag in enumerate(data if isinstance(data, list | tuple) else ()):
            if isinstance(tag, str) and re.match(TAG_EXPRESSION, tag):
                self._check_tag(tag, doc.tree.place(("rules", index, "data", i)))

    def _effect(self, shape: RuleShape, place: Place) -> RuleEffect | None:
        given = [
            effect
            for effect, value in (
                (RuleEffect.ALLOW, shape.allow),
                (RuleEffect.DENY, shape.deny),
                (RuleEffect.REQUIRE, shape.require),
            )
            if value is not None
        ]
        if len(given) != 1:
            what = f"rule {shape.id} has {len(given)} of allow, deny and require"
            self._report(place, what, "keep exactly one")
            return None
        effect = given[0]
        words = {"allow": shape.allow, "deny": shape.deny, "require": shape.actions}[effect]
        key = "actions" if effect is RuleEffect.REQUIRE else str(effect)
        if not words:
            self._report(place, f"rule {shape.id} names no actions", f"add some to {key}:")
        if effect is not RuleEffect.REQUIRE and shape.actions:
            self._report(place, f"rule {shape.id} has actions beside {key}", f"name them in {key}:")
        if effect is not RuleEffect.REQUIRE and shape.unless is not None:
            self._report(place, "unless: is only possible with require", "remove it")
        if effect is RuleEffect.ALLOW and shape.if_ is not None:
            self._report(place, "if: is only possible with deny and require", "remove it")
        if effect is not RuleEffect.ALLOW and shape.masked is not None:
            self._report(place, "masked is only possible with allow", "remove it")
        return effect

    def _check_backup(self, shape: BackupShape, place: Place) -> None:
        """What contradicts itself in a requirement."""
        providers = shape.providers or ()
        if twice := sorted({name for name in providers if providers.count(name) > 1}):
            self._report(place, f"provider {twice[0]} is named twice", "keep one of them")
        if shape.max_take_size is not None and OnMissing(shape.on_missing) is not OnMissing.TAKE:
            what = "max_take_size is only possible with on_missing: take"
            self._report(place, what, "remove it")
        taken = OnMissing(shape.on_missing) is OnMissing.TAKE
        if taken and providers and OWN_PROVIDER not in providers:
            what = "on_missing: take makes a backup that providers does not let count"
            self._report(place, what, f"add {OWN_PROVIDER} to providers, or say on_missing: refuse")

    def _check_masked(
        self, shape: RuleShape, place: Place, profiles: dict[str, MaskProfile]
    ) -> None:
        assert shape.masked is not None
        if any(a.action_class is not ActionClass.READ for a in actions_of(shape.allow or ())):
            self._report(place, "masked is only possible for reading", "use allow: [read]")
        if not shape.data:
            self._report(place, "masked without data", "say which tags in data:")
        if shape.masked not in self._known("masks"):
            remedy = did_you_mean(shape.masked, self._known("masks"), "define it under masks:")
            self._report(place, f"unknown mask profile {shape.masked!r}", remedy)
            return
        profile = profiles.get(shape.masked)
        if profile is None:
            return
        for tag in sorted(self._known("tags")):
            if any(covers(d, tag) for d in shape.data) and profile.mask_for(tag) is None:
                what = f"profile {profile.name} has no mask for {tag}, which rule {shape.id} grants"
                self._report(place, what, f"add {tag} or a tag above it to the profile")

    def _safe_functions(self) -> frozenset[str]:
        result = set()
        for doc in self.documents:
            functions = doc.content.functions
            for i, text in enumerate(functions.safe if functions else ()):
                try:
                    result.add(parse_signature(text))
                except ValueError as error:
                    place = doc.tree.place(("functions", "safe", i))
                    self._report(place, str(error), "write schema.name(type, type)")
        return frozenset(result)

    def _once(self, section: str) -> FileShape | None:
        """The one document that has this section."""
        having = [d for d in self.documents if getattr(d.content, section) is not None]
        for other in having[1:]:
            first = having[0].tree.key_place((section,))
            self._report(
                other.tree.key_place((section,)),
                f"{section} is already given in {first.file}:{first.line}",
                "keep one of them",
            )
        return having[0].content if having else None

    def _defaults(self) -> Defaults:
        content = self._once("defaults")
        given = content.defaults if content and content.defaults else document.DefaultsShape()
        classes = given.unclassified.model_dump().items()
        return Defaults(
            unclassified=frozenset(ActionClass(name) for name, word in classes if word == "allow"),
            unparsed=given.unparsed == "allow",
        )


def _backup(shape: BackupShape) -> Backup:
    return Backup(
        max_age_seconds=parse_duration(shape.max_age),
        on_missing=OnMissing(shape.on_missing),
        min_verification=Verification(shape.min_verification),
        providers=frozenset(shape.providers or ()),
        max_wal_bytes=parse_size(shape.max_wal) if shape.max_wal else None,
        max_take_bytes=parse_size(shape.max_take_size) if shape.max_take_size else None,
    )


def _masks(masks: dict[str, MaskShape]) -> tuple[tuple[str, Mask], ...]:
    return tuple(sorted(((tag, mask_of(m)) for tag, m in masks.items()), key=lambda e: e[0]))


def _digest(*content: object) -> str:
    return hashlib.sha256(json.dumps(_canonical(content)).encode()).hexdigest()


def _canonical(value: object) -> object:
    """JSON values in an order that depends on nothing but the content."""
    if isinstance(value, Pattern):
        return value.text
    if isinstance(value, frozenset | tuple | list):
        return sorted((_canonical(v) for v in value), key=json.dumps)
    if isinstance(slots := getattr(type(value), "__slots__", None), tuple) and not isinstance(
        value, str
    ):
        return {name: _canonical(getattr(value, name)) for name in slots}
    return value
