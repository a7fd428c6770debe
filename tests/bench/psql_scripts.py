"""psql's scripts, cut into statements and backslash commands as psql itself cuts them.

Only what regression scripts need: quoting, comments, parentheses, BEGIN ATOMIC bodies, `\\;`,
variables and conditions (psqlscan.l, psqlscanslash.l). A script is read lazily, since what a
statement gives back (`\\gset`) changes the text that follows.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text, and the backslash command that ended it ("" for a semicolon)."""

    text: str
    command: str = ""
    arguments: tuple[str, ...] = ()
    line: int = 0


@dataclass(frozen=True, slots=True)
class Command:
    """A backslash command with no statement before it."""

    name: str
    arguments: tuple[str, ...]
    rest: str
    """The arguments as they were written."""


_SENDERS = frozenset(("g", "gx", "gset", "gexec", "gdesc", "crosstabview", "watch", "bind"))
"""Commands that end a statement."""

_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


def is_word(character: str) -> bool:
    return character in _WORD or character > "\x7f"


@dataclass
class Script:
    """One script being read; `variables` are psql's, shared with whoever runs the statements."""

    text: str
    variables: MutableMapping[str, str]
    position: int = 0
    _buffer: list[str] = field(default_factory=list)
    _conditions: list[tuple[bool, bool]] = field(default_factory=list)
    """For each \\if: whether this branch is taken, and whether one has been."""

    def __iter__(self) -> Iterator[Statement | Command]:
        while self.position < len(self.text):
            yield from self._next()
        if rest := self._take():
            yield rest

    def data_lines(self) -> Iterator[str]:
        """Rows of COPY FROM STDIN, up to `\\.`; starts behind the rest of the current line."""
        end = self.text.find("\n", self.position)
        self.position = len(self.text) if end < 0 else end + 1
        while self.position < len(self.text):
            end = self.text.find("\n", self.position)
            end = len(self.text) if end < 0 else end
            line = self.text[self.position : end]
            self.position = end + 1
            if line == "\\.":
                return
            yield line + "\n"

    @property
    def _active(self) -> bool:
        return all(taken for taken, _ in self._conditions)

    def _take(self, command: str = "", arguments: tuple[str, ...] = ()) -> Statement | None:
        text = "".join(self._buffer).strip()
        self._buffer.clear()
        line = self.text.count("\n", 0, self.position) + 1
        return Statement(text, command, arguments, line) if text and self._active else None

    def _next(self) -> Iterator[Statement | Command]:
        """Read up to the end of a statement or of a backslash command."""
        text, depth, begins, words = self.text, 0, 0, 0
        first_words: list[str] = []
        while self.position < len(text):
            start = self.position
            character = text[start]
            if character == "\\":
                if text[start + 1 : start + 2] == ";":
                    self._buffer.append(";")
                    self.position += 2
                    continue
                found = self._command()
                if found is not None:
                    yield from found
                    return
                continue
            end = self._token_end(start)
            piece = text[start:end]
            self.position = end
            if character == "(":
                depth += 1
            elif character == ")":
                depth = max(0, depth - 1)
            elif character == ";" and not depth and not begins:
                if statement := self._take():
                    yield statement
                return
            elif is_word(character):
                words += 1
                if words <= 4:
                    first_words.append(piece.lower())
                begins = _nested_begins(first_words, piece.lower(), begins, depth)
            elif character == ":" and len(piece) > 1 and piece[1] != ":":
                piece = self._substituted(piece)
            self._buffer.append(piece)

    def _token_end(self, start: int) -> int:
        """Behind the token, comment or single character at `start`."""
        text, character = self.text, self.text[start]
        if text.startswith("--", start):
            return _line_end(text, start)
        if text.startswith("/*", start):
            return _comment_end(text, start)
        if character == "'":
            return _quote_end(text, start, "'", escapes=_has_escape_prefix(text, start))
        if character == '"':
            return _quote_end(text, start, '"')
        if character == "$":
            return _dollar_end(text, start)
        if is_word(character):
            end = start
            while end < len(text) and (is_word(text[end]) or text[end] == "$"):
                end += 1
            return end
        if character == ":":
            return _variable_end(text, start)
        return start + 1

    def _substituted(self, piece: str) -> str:
        """What `:name`, `:'name'`, `:"name"` or `:{?name}` stands for; itself when unset."""
        if piece.startswith(":{?"):
            return "TRUE" if piece[3:-1] in self.variables else "FALSE"
        quote = piece[1] if piece[1] in "'\"" else ""
        name = piece[2:-1] if quote else piece[1:]
        value = self.variables.get(name)
        if value is None:
            return piece
        if quote == '"':
            return '"' + value.replace('"', '""') + '"'
        if quote and "\\" in value:
            return " E'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
        return "'" + value.replace("'", "''") + "'" if quote else value

    # ---- backslash commands

    def _command(self) -> Iterator[Statement | Command] | None:
        """Read the command at the current position; None when it yields nothing."""
        text = self.text
        start = self.position + 1
        end = start
        while end < len(text) and not text[end].isspace() and text[end] != "\\":
            end += 1
        name = text[start:end]
        stop = _line_end(text, end)
        rest = text[end:stop]
        if name not in ("copy", "echo", "!"):  # those take the whole line
            separator = _separator(rest)
            rest, stop = (rest[:separator], end + separator) if separator >= 0 else (rest, stop)
        self.position = stop + (2 if text.startswith("\\\\", stop) else 0)
        if name in ("if", "elif", "else", "endif"):
            self._condition(name, rest)
            return None
        if not self._active:
            return None
        if name in ("r", "reset"):
            self._buffer.clear()
            return None
        arguments = tuple(self._arguments(rest))
        if name in _SENDERS or name.split("(")[0] in ("g", "gx"):
            statement = self._take(name.split("(")[0], arguments)
            return iter([statement] if statement else [])
        return iter([Command(name, arguments, rest.strip())])

    def _condition(self, name: str, rest: str) -> None:
        true = "".join(self._arguments(rest)).lower() in ("true", "t", "on", "1", "yes", "y")
        if name == "if":
            self._conditions.append((true, true))
        elif not self._conditions:
            return
        elif name == "endif":
            self._conditions.pop()
        else:
            _, before = self._conditions.pop()
            taken = not before and (true or name == "else")
            self._conditions.append((taken, before or taken))

    def _arguments(self, rest: str) -> Iterator[str]:
        """Words of a command line, quotes removed and variables put in."""
        position = 0
        while position < len(rest):
            if rest[position].isspace():
                position += 1
                continue
            word: list[str] = []
            while position < len(rest) and not rest[position].isspace():
                character = rest[position]
                if character == "'":
                    end = _quote_end(rest, position, "'")
                    word.append(rest[position + 1 : end - 1].replace("''", "'"))
                elif character == ":":
                    end = _variable_end(rest, position)
                    word.append(self._substituted(rest[position:end]))
                    if rest[position + 1 : position + 2] == "'":
                        word[-1] = word[-1].strip("'")
                else:
                    end = position + 1
                    word.append(character)
                position = max(end, position + 1)
            yield "".join(word)


def _nested_begins(first: list[str], word: str, begins: int, depth: int) -> int:
    """How many BEGINs and CASEs of a routine's body are open (psqlscan.l, `identifier`)."""
    if not depth and first[:1] == ["create"]:
        kind = first[3:4] if first[1:3] == ["or", "replace"] else first[1:2]
        if kind and kind[0] in ("function", "procedure"):
            if word == "begin" or (word == "case" and begins):
                return begins + 1
            if word == "end" and begins:
                return begins - 1
    return begins


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def _comment_end(text: str, start: int) -> int:
    depth, position = 0, start
    while position < len(text):
        if text.startswith("/*", position):
            depth, position = depth + 1, position + 2
        elif text.startswith("*/", position):
            depth, position = depth - 1, position + 2
            if not depth:
                return position
        else:
            position += 1
    return position


def _has_escape_prefix(text: str, start: int) -> bool:
    return text[start - 1 : start] in ("e", "E") and not is_word(text[start - 2 : start - 1] or " ")


def _quote_end(text: str, start: int, quote: str, *, escapes: bool = False) -> int:
    position = start + 1
    while position < len(text):
        if escapes and text[position] == "\\":
            position += 2
        elif text[position] != quote:
            position += 1
        elif text[position + 1 : position + 2] == quote:
            position += 2
        else:
            return position + 1
    return len(text)


def _dollar_end(text: str, start: int) -> int:
    """Behind a dollar-quoted string, or behind `$` where none begins."""
    end = start + 1
    while end < len(text) and is_word(text[end]):
        end += 1
    if text[end : end + 1] != "$" or text[start + 1 : start + 2].isdigit():
        return start + 1
    tag = text[start : end + 1]
    close = text.find(tag, end + 1)
    return len(text) if close < 0 else close + len(tag)


def _variable_end(text: str, start: int) -> int:
    following = text[start + 1 : start + 2]
    if following == ":" or following == "=":
        return start + 2
    if following == "{" and text.startswith("{?", start + 1):
        return text.find("}", start) + 1
    end = start + 1 + (following in ("'", '"') and following != "")
    begin = end
    while end < len(text) and is_word(text[end]):
        end += 1
    if end == begin:
        return start + 1
    if begin == start + 1:
        return end
    return end + 1 if text[end : end + 1] == following else start + 1


def _separator(rest: str) -> int:
    """Where the next command on the line begins: a backslash outside quotes; -1 for none."""
    position = 0
    while position < len(rest):
        if rest[position] == "'":
            position = _quote_end(rest, position, "'", escapes=True)
        elif rest[position] == "\\":
            return position
        else:
            position += 1
    return -1
