"""What a control asks for, and what a bundle shows for it: values."""

from __future__ import annotations

from dataclasses import dataclass

from dbguard.report.evidence.deployment import Deployment
from dbguard.report.model import Report
from dbguard.verification.findings import Verification

NO_SETTINGS = (
    "The settings were not given (--config), so the bundle shows nothing of the configuration here."
)


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is shown: a sentence, and the file of the bundle to look in."""

    text: str
    file: str


@dataclass(frozen=True, slots=True)
class Control:
    id: str
    title: str
    asks: str
    """In our words; the text of the regulation or criterion is what counts."""
    shown: tuple[Fact, ...]
    not_shown: tuple[str, ...]
    """What the reader has to look for elsewhere: sentences."""


@dataclass(frozen=True, slots=True)
class Findings:
    """All that controls are written from."""

    report: Report
    verification: Verification
    deployment: Deployment | None
    """None when the bundle was made without settings."""

    @property
    def of_deployment(self) -> tuple[str, ...]:
        """What to say under "not shown" where settings would be needed."""
        return () if self.deployment is not None else (NO_SETTINGS,)

    @property
    def unnamed(self) -> int:
        """Principals that are known by their database user alone."""
        return sum(not principal.proofs for principal in self.report.principals)


def many(count: int, what: str) -> str:
    """`1 statement`, `2,000 statements`."""
    if count == 1:
        return f"1 {what}"
    plural = f"{what[:-1]}ies" if what.endswith("try") else f"{what}s"
    return f"{count:,} {plural}"


def span(seconds: float) -> str:
    """A duration in the largest unit that fits."""
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            return many(int(seconds // size), unit)
    return many(int(seconds), "second")


def integrity(found: Findings) -> Fact:
    """Whether the trail is the one that was written."""
    result = found.verification
    if result.ok:
        text = (
            f"The whole trail was checked: {many(result.records, 'record')} in "
            f"{many(result.segments, 'segment')}, each as it was written."
        )
    else:
        text = (
            f"The check of the whole trail has {many(len(result.findings), 'finding')}: it is not "
            "as it was written."
        )
    return Fact(text, "verification.txt")


def signatures(found: Findings) -> Fact:
    signed = [chain for chain in found.verification.chains if chain.signed_through]
    if not signed:
        return Fact("No checkpoint with a checked signature covers the trail.", "verification.txt")
    said = "; ".join(
        f"{chain.writer or 'the top chain'} up to record {chain.signed_through}, {chain.signed_at}"
        for chain in signed
    )
    return Fact(f"Signed checkpoints cover: {said}.", "checkpoints/")


def past_dbguard(found: Findings) -> Fact:
    count = found.report.events.past.count
    if count:
        return Fact(
            f"{many(count, 'session')} reached a server past dbguard, and nothing of what they did "
            "is in the trail.",
            "csv/events.csv",
        )
    deployment = found.deployment
    looked = deployment is not None and deployment.watch > 0
    how = f", looking every {span(deployment.watch)}" if looked and deployment else ""
    return Fact(f"dbguard saw no session past itself in this time{how}.", "csv/events.csv")
