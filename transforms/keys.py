"""Keyed hashes: what stands in the warehouse in place of identities.

Every identity (Patient id, resource id, file URI, DICOM UID, identifier) becomes 63 bits of
HMAC-SHA256 under the site's key, so that the same input always gets the same number and
nobody without the key can go back or guess.

Source: https://www.rfc-editor.org/rfc/rfc2104
"""

import dataclasses
import functools
import os
import stat
import struct
import sys
from collections.abc import Callable
from pathlib import Path

from transforms.errors import UsageError

try:
    # CPython's own SHA-256: half the time of OpenSSL's on texts as short as ids.
    from _sha256 import sha256  # type: ignore[import-not-found]
except ImportError:
    from hashlib import sha256

ENVIRONMENT_VARIABLE = "NIGHTROUNDS_ID_KEY"
MIN_KEY_BYTES = 16


@dataclasses.dataclass(frozen=True)
class Keys:
    """The site's secret and the hashes made with it.

    Raises: UsageError, when the key has fewer than 16 bytes.

    >>> keys = Keys(b"0123456789abcdef")
    >>> keys.subject_id("p1") == keys.hash("p1")
    True
    >>> keys.resource_id("Encounter", "e1") == keys.hash("Encounter/e1")
    True
    """

    secret: bytes = dataclasses.field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) < MIN_KEY_BYTES:
            raise UsageError(
                f"the id key has {len(self.secret)} bytes, at least {MIN_KEY_BYTES} are needed"
            )

    @functools.cached_property
    def hash(self) -> Callable[[str], int]:
        """Text -> the first 63 bits of HMAC-SHA256(secret, UTF-8), as a non-negative int64.

        SHA-256 has read the padded key once for all; a copy of that state is cheap.
        """
        key = sha256(self.secret).digest() if len(self.secret) > 64 else self.secret
        key = key.ljust(64, b"\0")
        first_64_bits = struct.Struct(">Q").unpack_from
        copy_inner = sha256(bytes(b ^ 0x36 for b in key)).copy
        copy_outer = sha256(bytes(b ^ 0x5C for b in key)).copy

        def hash_text(text: str) -> int:
            try:
                data = text.encode()
            except UnicodeEncodeError:  # the name of a file that is no UTF-8
                data = text.encode("utf-8", "surrogatepass")
            inner = copy_inner()
            inner.update(data)
            outer = copy_outer()
            outer.update(inner.digest())
            (first,) = first_64_bits(outer.digest())
            return first >> 1  # type: ignore[no-any-return]

        return hash_text

    def __getstate__(self) -> dict[str, bytes]:
        return {"secret": self.secret}  # hash states cannot be pickled

    def subject_id(self, patient_id: str) -> int:
        """FHIR Patient id -> subject_id."""
        return self.hash(patient_id)

    def resource_id(self, resource_type: str, logical_id: str) -> int:
        """FHIR type and id -> resource_id; that of an Encounter is its encounter_id."""
        return self.hash(f"{resource_type}/{logical_id}")

    def source_id(self, uri: str) -> int:
        """Input file (zip members as `uri!member`) -> source_id."""
        return self.hash(f"source/{uri}")

    def uid(self, dicom_uid: str) -> int:
        """DICOM UID (study, series, instance) -> study_id, series_id, instance_id."""
        return self.hash(f"uid/{dicom_uid}")

    def identifier_link(self, system: str, value: str) -> int:
        """Business identifier -> link key; an empty system stands for the value alone."""
        return self.hash(f"identifier/{system}|{value}")

    def study_link(self, study_instance_uid: str) -> int:
        """StudyInstanceUID -> link key of ImagingStudy."""
        return self.hash(f"study/{study_instance_uid}")

    def medication_link(self, medication_id: str) -> int:
        """Medication id -> link key of its codes."""
        return self.hash(f"medication/{medication_id}")

    def pair_id(self, compound: str, target: str) -> int:
        """Names of a compound and a target -> pair_id."""
        return self.hash(f"pair/{len(compound)}/{compound}/{target}")

    def region_id(self, series: str, region: str) -> int:
        """What is counted and where -> region_id."""
        return self.hash(f"region/{len(series)}/{series}/{region}")


def load_keys(key_file: Path | None) -> Keys:
    """The key from a file (surrounding white space dropped), else from NIGHTROUNDS_ID_KEY.

    A file that others than its owner may read or write is told of on stderr.

    Raises: UsageError, when there is no key or it is too short.
    """
    if key_file is not None:
        try:
            mode = stat.S_IMODE(key_file.stat().st_mode)
            keys = Keys(key_file.read_bytes().strip())
        except OSError as error:
            raise UsageError(f"--id-key-file {key_file}: {error.strerror}") from error
        if mode & 0o077:
            # No refusal: secrets that a cluster mounts are often readable by a group.
            sys.stderr.write(
                f"warning: --id-key-file {key_file}: others than its owner may use it "
                f"(mode {mode:04o}); `chmod 600` it, whoever has the key can link patients\n"
            )
        return keys
    secret = os.environ.get(ENVIRONMENT_VARIABLE, "").strip()
    if not secret:
        raise UsageError(
            "no id key: give --id-key-file FILE or set NIGHTROUNDS_ID_KEY "
            "(`openssl rand -hex 32 > id.key` makes one; keep it, the warehouse depends on it)"
        )
    return Keys(secret.encode())
