"""Rules folders to policies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dbguard.errors import ConfigurationError

from .linking import link
from .model import Policy
from .problems import Place, Problem, raise_for
from .shaping import shape
from .yaml_nodes import read_tree

CASES_SUFFIXES = (".cases.yaml", ".cases.yml")
"""Files beside the rules that hold policy tests."""
SUFFIXES = (".yaml", ".yml")


def load_policy(folder: Path) -> Policy:
    """Load all rules files of `folder` and below it as one policy.

    Raises:
        ConfigurationError: with every mistake of every file, one a line, each
            `file:line:column: what; remedy`.
    """
    return load_documents(read_rules(folder))


def read_rules(folder: Path) -> dict[str, str]:
    """Names (as shown in errors) and texts of the rules files of `folder` and below it.

    Raises:
        ConfigurationError: the folder or a file can't be read, or holds no rules file.
    """
    if not folder.is_dir():
        raise ConfigurationError(
            f"{folder}: not a folder; give the folder that holds the rules files"
        )
    paths = sorted(
        p
        for p in folder.rglob("*")
        if p.name.endswith(SUFFIXES)
        and not p.name.endswith(CASES_SUFFIXES)
        and not any(part.startswith(".") for part in p.relative_to(folder).parts)
    )
    if not paths:
        raise ConfigurationError(f"{folder}: no rules files; add a file whose name ends in .yaml")
    return {str(p): read_text(p) for p in paths}


def read_text(path: Path) -> str:
    """The text of one file.

    Raises:
        ConfigurationError: it can't be read or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigurationError(
            f"{path}:1:1: can't be read ({error.strerror}); check its permissions"
        ) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}:1:1: not UTF-8; save it as UTF-8") from None


def load_documents(texts: Mapping[str, str]) -> Policy:
    """Make one policy of YAML texts, given by the names that errors show.

    Raises:
        ConfigurationError: as `load_policy`.
    """
    problems: list[Problem] = []
    documents = []
    unread = False
    for name, text in texts.items():
        tree, found = read_tree(text, name)
        problems.extend(found)
        if tree is None:
            unread = True
            continue
        document, wrong = shape(tree)
        problems.extend(wrong)
        documents.append(document)
    if not documents and not problems:
        raise ConfigurationError(
            str(Problem(Place("rules"), "no rules at all", "add a rules file"))
        )
    if not unread:  # else what the unread file defines would be reported as unknown
        policy, wrong = link(documents)
        problems.extend(wrong)
    raise_for(problems)
    return policy


def rule_places(texts: Mapping[str, str]) -> dict[str, Place]:
    """Where each rule stands, by id, in texts that `load_documents` accepts."""
    found = {}
    for name, text in texts.items():
        tree, _ = read_tree(text, name)
        rules = tree.value.get("rules") if tree and isinstance(tree.value, dict) else None
        for at, rule in enumerate(rules if isinstance(rules, list) else ()):
            if tree and isinstance(rule, dict):
                found[str(rule.get("id"))] = tree.place(("rules", at))
    return found
