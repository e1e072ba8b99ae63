"""Faults of the machine -> one line for the operator: no space, no permission, no catalog."""

import errno
import os
import re

# How a worker's error arrives at the launcher: its traceback as text, the error's line last.
_IN_WORKER = re.compile(r"(?:OSError|PermissionError|FileNotFoundError): \[Errno (\d+)\]")
_OWN = re.compile(r"transforms\.errors\.RunFailed: (.+?)(?: \[while running .*)?$", re.MULTILINE)
# An object store's own words of what went wrong, without the names of objects before them.
_ON_STORE = re.compile(r"AWS Error \w+ during \w+ operation")
_REMOTE = re.compile(r"Pipeline \S+ failed in state (\w+)")
# Of the medium or the rights on it; any other number is not known to be the machine's fault.
_OF_WORKERS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO}


def machine_fault(error: BaseException, warehouse: str | None = None) -> str | None:
    r"""What to tell of an error that is the machine's; None for any other.

    A path is told only when it lies in the `warehouse`: names of input files may hold identities.

    >>> machine_fault(OSError(28, "No space left on device", "/w/clinical/x"), "/w")
    'No space left on device: /w/clinical/x; nothing was published'
    >>> machine_fault(OSError("key 'Doe': AWS Error ACCESS_DENIED during HeadObject operation: x"))
    'AWS Error ACCESS_DENIED during HeadObject operation; nothing was published'
    >>> machine_fault(OSError(13, "Permission denied", "/exports/Doe_Jane.json"), "/w")
    'Permission denied; nothing was published'
    >>> machine_fault(RuntimeError("Pipeline job-1 failed in state FAILED: VALUE"))[:42]
    'the job ended as FAILED on its runner; not'
    >>> machine_fault(RuntimeError("transforms.errors.RunFailed: no file [while running 'x']\n…"))
    'no file'
    >>> machine_fault(KeyError("x"))
    """
    if isinstance(error, OSError):
        on_store = _ON_STORE.search(str(error))
        reason = error.strerror or (on_store[0] if on_store else type(error).__name__)
        path = error.filename if isinstance(error.filename, str) else None
        if path and warehouse and _lies_in(path, warehouse):
            reason += f": {path}"
        return f"{reason}; nothing was published"
    found = _IN_WORKER.findall(str(error)) if isinstance(error, RuntimeError) else []
    if found and int(found[-1]) in _OF_WORKERS:
        return f"{os.strerror(int(found[-1]))}; nothing was published"
    if isinstance(error, RuntimeError) and (own := _OWN.search(str(error))):
        return own[1]  # ours, which tell no values
    if isinstance(error, RuntimeError) and (state := _REMOTE.match(str(error))):
        return (
            f"the job ended as {state[1]} on its runner; nothing was published: "
            "look at the runner's own logs, then run it again "
            "(NIGHTROUNDS_DEBUG=1 shows its message)"
        )
    if _is_of_catalog(error):
        # SQLite's own words, such as `database is locked`: they quote no data.
        return f"the catalog cannot be used: {getattr(error, 'orig', error)}; run it again"
    return None


def _lies_in(path: str, folder: str) -> bool:
    return os.path.abspath(path).startswith(os.path.abspath(folder) + os.sep)


def _is_of_catalog(error: BaseException) -> bool:
    from sqlalchemy.exc import DBAPIError

    return isinstance(error, DBAPIError)
