"""How large an input may be: what is over a limit is quarantined, and its bytes are not held.

The depth of JSON has no limit here: msgspec stops at the interpreter's, about 1,000 levels, and
the reader then refuses the resource.
"""

import dataclasses
import re

from transforms.errors import OverLimit

# Less than this comes out of a file whatever its ratio: blank images pack very well.
_FREE_BYTES = 16 << 20


@dataclasses.dataclass(frozen=True)
class Limits:
    """The limits of what is read; the option of each is `--max-` and its name.

    file_bytes: a file that is held whole: a Bundle, or a DICOM file that is compressed.
    resource_bytes: one JSON resource: a line, an entry of a Bundle, or a file.
    inflated_bytes: what comes out of one gzip file or one member of a zip.
    inflation_ratio: the same, as a multiple of the packed bytes; from 16 MiB on.
    zip_members: members of one zip.
    frame_samples: rows x columns x samples of a DICOM frame; 2**28 are 1 GiB when decoded.

    Raises: ValueError, when one is less than 1.
    """

    file_bytes: int = 512 << 20
    resource_bytes: int = 64 << 20
    inflated_bytes: int = 64 << 30
    inflation_ratio: int = 200
    zip_members: int = 500_000
    frame_samples: int = 2**28

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if value < 1:
                raise ValueError(f"{name}: {value} is less than 1")

    def check(self, name: str, value: int) -> None:
        """Raises: OverLimit, when the value is over the limit of that name."""
        if value > getattr(self, name):
            raise OverLimit(over(name, getattr(self, name)))

    def check_inflated(self, inflated: int, packed: int) -> None:
        """Bytes that came out so far, and bytes that went in. Raises: OverLimit."""
        self.check("inflated_bytes", inflated)
        if inflated > max(_FREE_BYTES, self.inflation_ratio * packed):
            raise OverLimit(over("inflation_ratio", self.inflation_ratio))


DEFAULT_LIMITS = Limits()


def option_of(name: str) -> str:
    """The option of a limit.

    >>> option_of("file_bytes")
    '--max-file-bytes'
    """
    return "--max-" + name.replace("_", "-")


def over(name: str, value: int) -> str:
    """What is said of an input that is over a limit.

    >>> over("file_bytes", 10)
    'more than --max-file-bytes 10'
    """
    return f"more than {option_of(name)} {value}"


_SIZE = re.compile(r"(\d+)([KMGT]?)")


def parse_size(text: str) -> int:
    """A number, or one with a binary suffix.

    Raises: ValueError, when it is neither or less than 1.

    >>> parse_size("64M")
    67108864
    """
    found = _SIZE.fullmatch(text.strip().upper())
    if found is None or int(found[1]) < 1:
        raise ValueError(text)
    return int(found[1]) << 10 * " KMGT".index(found[2] or " ")
