"""Where processes that forecast shards come from: forked off one that has imported and done nothing else.

This process would hand down threads and locks of torch and Arrow in the midst of their work.
"""

from __future__ import annotations

import multiprocessing
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext

_MAKER = "pipelines.batch.shards"


def forking_context() -> ForkServerContext:
    """Has the process that others are forked from begin where it has not yet, and gives what starts them.

    It imports what they need, which takes seconds, while the caller goes on: call it early.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([_MAKER])
    forkserver.ensure_running()
    return context
