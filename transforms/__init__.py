"""What every process of a run imports, the launcher and each worker."""

import os

# What the warehouse holds is its owner's alone, whoever writes it.
os.umask(0o077)
