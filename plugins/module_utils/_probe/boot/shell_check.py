# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Errors that a shell meets when it sources a file such as /etc/default/grub, found without running it.

grub-mkconfig sources the file under `set -e`, so any command in it that fails ends the tool. What is found here fails
for certain: a word that is taken for a command and names none, bash's syntax where `sh` is another shell, a quote that
is never closed, a carriage return. Commands that exist, and everything under a condition, are left to the shell.

Source: "Shell Command Language" of POSIX.1-2017 (2.2 Quoting, 2.3 Token Recognition, 2.9.1 Simple Commands).
"""

from __future__ import annotations

import re
from typing import Callable, Iterator, NamedTuple

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\+?)=")
_BLANKS = " \t"
_OPERATORS = ("&&", "||", ";;", "<<", ">>", "<&", ">&", "<>", ">|", "\n", ";", "&", "|", "<", ">", "(", ")")
_REDIRECTIONS = (">>", "<&", ">&", "<>", ">|", "<", ">")
#: Words after which another command begins; the second group opens or closes a block that may not run.
_BEFORE_COMMAND = ("then", "else", "elif", "do", "{", "!", "if", "while", "until")
_OPENING, _CLOSING = ("if", "while", "until", "{"), ("fi", "done", "}")
#: Operators after which the next command may not run, and those that hide that the one before them failed.
_LISTS = ("&&", "||", "|")
_UNDECIDED = (*_LISTS, "&")
#: Constructs whose bodies are not followed: nothing after them is judged.
_NOT_FOLLOWED = ("case", "for", "select", "function")
_BUILTINS = frozenset(
    {
        *(".", ":", "[", "alias", "bg", "break", "cd", "command", "continue", "echo", "eval", "exec", "exit"),
        *(
            "export",
            "false",
            "fc",
            "fg",
            "getopts",
            "hash",
            "jobs",
            "kill",
            "printf",
            "pwd",
            "read",
            "readonly",
            "return",
        ),
        *("set", "shift", "test", "times", "trap", "true", "type", "ulimit", "umask", "unalias", "unset", "wait"),
    }
)
_BUILTINS_OF_BASH = frozenset(
    {
        *("[[", "builtin", "caller", "declare"),
        *("enable", "let", "local", "mapfile"),
        *("shopt", "source", "typeset"),
    }
)
_DECLARATIONS = ("export", "readonly")


class ShellProblem(NamedTuple):
    """A place where the shell fails."""

    line: int  # counted from 1
    reason: str  # a clause: "takes 'no5lvl' for a command, ..."


class _Token(NamedTuple):
    text: str  # as it is written; for a word with its quotes
    line: int
    is_word: bool
    is_open: str = ""  # the quote or bracket that is never closed


def shell_problems(text: str, has_command: Callable[[str], bool], shell: str | None) -> Iterator[ShellProblem]:
    """Yield what makes the shell fail, in the order of the file.

    Args:
        text: The file.
        has_command: Whether a program of that name, or at that path, exists.
        shell: The shell's name, such as `dash` or `bash`; None if unknown: then bash's syntax is not judged.
    """
    carriage_return = next(_carriage_returns(text), None)
    if carriage_return is not None:
        yield carriage_return
        return
    depth = 0
    in_list = False  # of commands with && and ||, of which the later ones may not run
    for command, end in _commands(text):
        words = [token for token in command if token.is_word]
        unclosed = next((token for token in command if token.is_open), None)
        if unclosed is not None:
            yield ShellProblem(unclosed.line, f"finds no end of the {unclosed.is_open} that opens here")
            return
        is_judged = not in_list and end not in _UNDECIDED
        while words and words[0].text in (*_BEFORE_COMMAND, *_CLOSING):
            is_judged = is_judged and words[0].text != "!"
            depth += (words[0].text in _OPENING) - (words[0].text in _CLOSING)
            words = words[1:]
        if words and words[0].text in _NOT_FOLLOWED:
            return
        if depth <= 0 and is_judged:
            yield from _problems(words, has_command, shell)
        # Alone on its line after one of these, a newline ends no list.
        in_list = end in _LISTS or (in_list and not words and end == "\n")
        if end in ("(", ")", "<<"):
            return


def _carriage_returns(text: str) -> Iterator[ShellProblem]:
    for number, line in enumerate(text.split("\n"), 1):
        if "\r" in line and not line.lstrip().startswith("#"):
            reason = "takes the carriage return (CR, of Windows line endings) at the end of the line for a part of it"
            yield ShellProblem(number, reason)


def _problems(words: list[_Token], has_command: Callable[[str], bool], shell: str | None) -> Iterator[ShellProblem]:
    is_bash = shell in (None, "bash")
    rest = list(words)
    while rest:
        match = _ASSIGNMENT.match(rest[0].text)
        if match is None or (match.group(1) and not is_bash):
            break
        if rest[0].text[match.end() : match.end() + 1] == "(" and not is_bash:
            yield ShellProblem(rest[0].line, f"has no arrays (bash does): {rest[0].text}")
            return
        rest = rest[1:]
    if not rest:
        return
    command = rest[0]
    if _ASSIGNMENT.match(command.text):
        yield ShellProblem(command.line, f"takes {command.text!r} for a command: += is bash's, and {shell} has none")
    elif command.text in _DECLARATIONS:
        appending = (word for word in rest[1:] if (_ASSIGNMENT.match(word.text) or [""])[0].endswith("+="))
        for word in appending if not is_bash else ():
            yield ShellProblem(word.line, f"takes {word.text!r} for a bad name: += is bash's, and {shell} has none")
    elif _is_literal(command.text) and not _is_known(command.text, has_command, is_bash):
        yield ShellProblem(command.line, f"takes {command.text!r} for a command, and there is none of that name")


def _is_literal(word: str) -> bool:
    return not set(word) & set("$`\"'\\*?[~")


def _is_known(word: str, has_command: Callable[[str], bool], is_bash: bool) -> bool:
    if word in _BUILTINS or word in _CLOSING or (is_bash and word in _BUILTINS_OF_BASH):
        return True
    return has_command(word)


def _commands(text: str) -> Iterator[tuple[list[_Token], str]]:
    """Yield simple commands as their tokens, each with the operator that ends it ("" at the end of the file)."""
    command: list[_Token] = []
    tokens = _tokens(text)
    for token in tokens:
        if token.is_word or token.is_open:
            command.append(token)
        elif token.text in _REDIRECTIONS:
            next(tokens, None)  # the word after it is a file
        else:
            yield command, token.text
            command = []
    yield command, ""


def _tokens(text: str) -> Iterator[_Token]:
    position, line = 0, 1
    while position < len(text):
        if text[position] in _BLANKS:
            position += 1
        elif text.startswith("\\\n", position):
            position, line = position + 2, line + 1
        elif text[position] == "#":
            newline = text.find("\n", position)
            position = newline if newline >= 0 else len(text)
        else:
            operator = next((one for one in _OPERATORS if text.startswith(one, position)), None)
            if operator is not None:
                yield _Token(operator, line, is_word=False)
                position, line = position + len(operator), line + operator.count("\n")
                continue
            end, unclosed = _word_end(text, position)
            # The number of a file descriptor belongs to the redirection behind it.
            if not (text[position:end].isdigit() and text[end : end + 1] in ("<", ">")):
                yield _Token(text[position:end], line, is_word=True, is_open=unclosed)
            line += text.count("\n", position, end)
            position = end


def _word_end(text: str, start: int) -> tuple[int, str]:
    """Return where a word ends, and what it opens and never closes; an array's `(` belongs to its word."""
    position = start
    while position < len(text):
        character = text[position]
        if character == "(" and _ASSIGNMENT.fullmatch(text[start:position]):
            position, unclosed = _balanced_end(text, position + 1, ")", "array")
            if unclosed:
                return position, unclosed
            continue
        if character in " \t\n;&|<>()":
            break
        end, unclosed = _piece_end(text, position)
        if unclosed:
            return end, unclosed
        position = end
    return position, ""


def _piece_end(text: str, position: int) -> tuple[int, str]:
    character = text[position]
    if character == "\\":
        return position + 2, ""
    if character == "'":
        end = text.find("'", position + 1)
        return (end + 1, "") if end >= 0 else (len(text), "single quote")
    if character == '"':
        return _double_quoted_end(text, position)
    if character == "`":
        match = re.compile(r"(?:[^`\\]|\\.)*`", re.DOTALL).match(text, position + 1)
        return (match.end(), "") if match else (len(text), "backquote")
    if text.startswith(("$(", "${"), position):
        return _substitution_end(text, position)
    return position + 1, ""


def _double_quoted_end(text: str, start: int) -> tuple[int, str]:
    position = start + 1
    while position < len(text):
        if text[position] == '"':
            return position + 1, ""
        if text[position] == "'":
            position += 1
            continue
        position, unclosed = _piece_end(text, position)
        if unclosed:
            return position, unclosed
    return len(text), "double quote"


def _substitution_end(text: str, start: int) -> tuple[int, str]:
    return _balanced_end(text, start + 2, ")" if text[start + 1] == "(" else "}", "substitution")


def _balanced_end(text: str, position: int, closing: str, what: str) -> tuple[int, str]:
    depth = 1
    while position < len(text):
        if text[position] == closing:
            depth -= 1
            position += 1
            if not depth:
                return position, ""
        elif text[position] == "(" and closing == ")":
            depth, position = depth + 1, position + 1
        elif text[position] == "#" and closing == ")" and text[position - 1] in " \t\n;(":
            newline = text.find("\n", position)
            position = newline if newline >= 0 else len(text)
        else:
            position, unclosed = _piece_end(text, position)
            if unclosed:
                return position, unclosed
    return len(text), what
