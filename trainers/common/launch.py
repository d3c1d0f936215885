"""Runs a trainer as a detached local job: `python launch.py <job folder> <program>`.

The job itself claims `process.json` before anything else, so that a starter that dies right after starting it leaves
no job without a process id, and a job that was meanwhile declared lost never begins. `exit.json` is written at the
end, because nobody may be left to wait for the process. A killed job leaves no `exit.json`.
"""

import json
import os
import runpy
import subprocess
import sys
import traceback
from pathlib import Path


def started_at(pid: int) -> str:
    """What tells this process from a later one with the same number."""
    if sys.platform.startswith("linux"):
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        # The name in brackets may hold spaces, so fields are counted after the last bracket.
        return stat[stat.rindex(")") + 2 :].split(" ")[19]
    shown = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"}
    )
    return shown.stdout.strip()


def claim(folder: Path) -> bool:
    """True when this process is the job; False when the job belongs to another process or was given up."""
    mine = folder / f".process.{os.getpid()}"
    mine.write_text(json.dumps({"pid": os.getpid(), "started": started_at(os.getpid())}), encoding="utf-8")
    try:
        # A link is made whole or not at all, and only once.
        os.link(mine, folder / "process.json")
        return True
    except FileExistsError:
        return False
    finally:
        mine.unlink()


def finish(folder: Path, code: int) -> None:
    temporary = folder / ".exit.json"
    temporary.write_text(json.dumps({"code": code}), encoding="utf-8")
    os.replace(temporary, folder / "exit.json")


def main() -> None:
    folder, program = Path(sys.argv[1]), sys.argv[2]
    if not claim(folder):
        sys.exit(75)
    code = 1
    try:
        sys.argv = [program]
        runpy.run_path(program, run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        traceback.print_exc()
    finally:
        finish(folder, code)
    sys.stdout.flush()
    sys.stderr.flush()
    # Without waiting for threads and destructors of native libraries: everything is on disk.
    os._exit(code)


if __name__ == "__main__":
    main()
