"""A long command says how far it is, also where stderr is a file."""

import re
import time

from byheart.cli.progress import stages
from byheart.progress import Progress


def test_a_line_is_printed_while_a_stage_lasts(capsys):
    with stages(every=0.05) as say:
        say(Progress("relabelling"))
        time.sleep(0.4)
    told = capsys.readouterr()
    assert told.out == ""
    lines = told.err.splitlines()
    assert 1 <= len(lines) <= 8
    assert all(re.fullmatch(r"byheart: relabelling, \d s", line) for line in lines)


def test_a_short_command_says_nothing(capsys):
    with stages() as say:
        say(Progress("reading"))
    assert capsys.readouterr().err == ""
