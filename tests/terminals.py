"""A terminal for commands under test: what they write when somebody watches."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def in_a_terminal(*command: object, code: int = 0, **environment: str) -> str:
    """Run `python <command>` with a terminal as its input, output and errors; return what it wrote."""
    keep = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
    outer, inner = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, *map(str, command)], cwd=ROOT, stdin=inner, stdout=inner, stderr=inner,
        env={**keep, "TERM": "xterm-256color", "COLORTERM": "truecolor", **environment},
    )  # fmt: skip
    os.close(inner)
    shown = b""
    while True:
        try:
            part = os.read(outer, 65536)
        except OSError:  # the terminal closes with its process
            break
        if not part:
            break
        shown += part
    os.close(outer)
    assert process.wait() == code, shown.decode()
    return shown.decode()
