# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of assignments that a shell can't source: the same verdict as dash's and bash's own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._probe.boot.shell_check import shell_problems

SHELLS = ("dash", "bash")
DEBIAN = """\
# If you change this file, run 'update-grub' afterwards.
GRUB_DEFAULT=0
GRUB_DISTRIBUTOR=`( . /etc/os-release; echo ${NAME:-Debian} ) 2>/dev/null || echo Debian`
GRUB_CMDLINE_LINUX_DEFAULT="quiet"
export GRUB_COLOR='a' # it's a comment
if [ -e /nowhere ]; then
    no-such-command
fi
"""
FEDORA = """\
GRUB_DISTRIBUTOR="$(sed 's, release .*$,,g' /etc/os-release)"
GRUB_CMDLINE_LINUX="rhgb quiet \\
 more"
"""
# Each with the shells that source it, and what is said of it, with its line, by those that don't.
FILES = [
    (DEBIAN, SHELLS, None),
    (FEDORA, SHELLS, None),
    ("", SHELLS, None),
    ("A=1 B='2 3' C=\"$A\"\n", SHELLS, None),
    ('A="x"\nA+=" y"\n', ("bash",), (2, "+= is bash's")),
    ('export A="x"\nexport A+=" y"\n', ("bash",), (2, "+= is bash's")),
    ("A=(1 2)\n", ("bash",), (1, "has no arrays")),
    ('A="x" memmap=4G\\\\\\$0x1 intel_iommu=off no5lvl\n', (), (1, "'no5lvl'")),
    ("A=quiet splash\n", (), (1, "'splash'")),
    ("A=quiet splash || true\n", SHELLS, None),
    ("A=quiet splash && true\n:\n", SHELLS, None),
    ("true\nsplash | cat\n", SHELLS, None),
    ("A=1\n\nB='never closed\n", (), (3, "single quote")),
    ('A=1\nB="never closed\n', (), (2, "double quote")),
    ("source /dev/null\n", ("bash",), (1, "'source'")),
    ("A=1\r\n\r\nB=2\r\n", (), (1, "carriage return")),
    ("A=1\n{ A=2; }\n", SHELLS, None),
    ("A=1; B=2 & wait\n", SHELLS, None),
    ("A=1 >/dev/null 2>&1 B=2\n", SHELLS, None),
]


def has_command(name: str) -> bool:
    return shutil.which(name) is not None


def sources(shell: str, text: str, folder: Path) -> bool:
    """Whether the shell itself gets to the end of the file, as grub-mkconfig has it do."""
    file = folder / "file"
    file.write_text(text, newline="")
    argv = [shell, "-c", f'set -e; . "{file}"; printf END']
    done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, cwd=folder)
    return done.returncode == 0 and done.stdout.endswith("END")


@pytest.mark.parametrize(("text", "shells", "problem"), FILES)
@pytest.mark.parametrize("shell", SHELLS)
def test_what_a_shell_can_not_source(
    text: str, shells: tuple[str, ...], problem: tuple[int, str] | None, shell: str, tmp_path: Path
) -> None:
    problems = list(shell_problems(text, has_command, shell))
    assert bool(problems) != (shell in shells)
    assert sources(shell, text, tmp_path) == (shell in shells)
    if problems:
        assert problem is not None
        assert problems[0].line == problem[0]
        assert problem[1] in problems[0].reason


def test_bashs_syntax_is_not_judged_where_the_shell_is_unknown() -> None:
    assert list(shell_problems("A+=1\nA=(1 2)\n", has_command, None)) == []


PIECES = st.sampled_from(
    [
        *(
            "A=1",
            "B='x y'",
            'C="$A z"',
            "D=\\;x",
            "export E=2",
            "nosuchword",
            "true",
            ":",
            "\n",
            " ",
            ";",
            " && ",
            " || ",
        ),
        *("# it's\n", "'", '"', "F+=3", "G=$(echo '1)')", "H=`echo 2`", "\\\n", "if true; then\n", "\nfi\n"),
        *("I=${A:-'}'}", " 2>/dev/null", "J=(1 2)", " | ", " & ", "! "),
    ]
)


@pytest.mark.parametrize("shell", SHELLS)
@given(pieces=st.lists(PIECES, max_size=9))
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_found_fails_for_certain(pieces: list[str], shell: str, tmp_path: Path) -> None:
    """Nothing is refused that the shell would have sourced."""
    text = "".join(pieces)
    if list(shell_problems(text, has_command, shell)):
        assert not sources(shell, text, tmp_path), text


@given(text=st.text(max_size=200))
def test_any_text_is_judged(text: str) -> None:
    list(shell_problems(text, has_command, "dash"))
