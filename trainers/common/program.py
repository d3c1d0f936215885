"""The outermost frame of a trainer: signals, failures, exit codes."""

import signal
import sys
import traceback
from types import FrameType
from typing import Callable, NoReturn

from common.events import log
from common.failures import Stopped, TrainerError
from common.layout import Layout

EXIT_STOPPED = 128 + signal.SIGTERM


class StopRequest:
    """SIGTERM: raised at once while nothing can be saved, only noted while `deferred` (the round ends first)."""

    def __init__(self) -> None:
        self.requested = False
        self.deferred = False
        signal.signal(signal.SIGTERM, self._note)

    def _note(self, _signal: int, _frame: FrameType | None) -> None:
        self.requested = True
        if not self.deferred:
            raise Stopped("before training began")


def run(main: Callable[[Layout, StopRequest], None]) -> NoReturn:
    """Runs a trainer. A failure goes to output/failure and is the last line said; the exit code is 1."""
    layout = Layout()
    layout.forget_failure()
    try:
        main(layout, StopRequest())
    except Stopped as stopped:
        log(f"stopped {stopped}", level="warning")
        sys.exit(EXIT_STOPPED)
    except TrainerError as error:
        _fail(layout, error.kind, str(error))
    except ImportError as error:
        _fail(layout, "environment", f"a package is missing or broken: {error}; set up the Python environment again")
    except MemoryError:
        _fail(layout, "environment", "out of memory")
    except Exception as error:  # the last frame: whatever it was must be told
        traceback.print_exc()
        _fail(layout, "crash", f"{type(error).__name__}: {error}")
    sys.exit(0)


def _fail(layout: Layout, kind: str, message: str) -> NoReturn:
    layout.fail(f"{kind}: {message}")
    log(f"{kind}: {message}", level="error")
    sys.exit(1)
