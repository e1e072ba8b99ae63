"""What can go wrong, as one tree.

```
NightroundsError
├── UsageError        the caller's arguments cannot be used        exit status 2
├── Refused           a limit stops publication                    exit status 3
│   └── TooLittleData too few examples to train a model
├── RunFailed         a machine or an invariant failed             exit status 1
│   └── CutShort      a publication began and did not end
├── ModelFailed       a model failed; the others were published    exit status 1
└── InputError        one input cannot be used: it is quarantined
    ├── OverLimit     larger than an option allows
    ├── WrongVersion  a resource of another FHIR version
    └── Unresolved    a reference that leads nowhere
```

Messages never hold patient values: they name positions, element paths, types and counts.
"""


class NightroundsError(Exception):
    """Base of every error that the engine raises on purpose."""


class UsageError(NightroundsError):
    """The arguments cannot be used; the message names the argument and the value."""


class Refused(NightroundsError):
    """A reconciliation or quarantine limit stops the publication; nothing was published."""


class TooLittleData(Refused):
    """A model cannot be trained: too few labelled examples, or all with the same label."""


class RunFailed(NightroundsError):
    """The run cannot go on; nothing was published."""


class CutShort(RunFailed):
    """A publication began and did not end; whoever opens the warehouse next ends it."""


class ModelFailed(NightroundsError):
    """Models of the run failed and nothing of them was published; the rest of the run was."""


class InputError(NightroundsError):
    """One input (a resource, a DICOM file) cannot be used and goes to quarantine."""


class OverLimit(InputError):
    """Larger than one of the limits; the message names its option."""


class WrongVersion(InputError):
    """A resource in the shape of another FHIR version than R4 and R4B."""


class Unresolved(InputError):
    """A reference whose target is in none of the inputs and not in the warehouse."""
