"""One key for one warehouse: under another key every patient would be a new one."""

from apache_beam.io.filesystem import CompressionTypes

from transforms.errors import UsageError
from transforms.file_systems import FileSystems
from transforms.keys import Keys
from transforms.sources import open_binary
from transforms.warehouse import Warehouse

_FINGERPRINT_OF = "nightrounds/fingerprint of the id key"


def check_key(warehouse: Warehouse, keys: Keys) -> None:
    """Compares the key with the one that the warehouse was first written with.

    `restricted/key_fingerprint` holds a hash under the key, which leads nobody to it.

    Raises: UsageError, when it is another key.
    """
    path = f"{warehouse.folder}/restricted/key_fingerprint"
    fingerprint = f"{keys.hash(_FINGERPRINT_OF):016x}\n".encode()
    if not FileSystems.exists(path):
        with FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
            file.write(fingerprint)
        return
    with open_binary(path) as file:
        known = file.read()
    if known != fingerprint:
        raise UsageError(
            "the id key is not the one that this warehouse was made with: every patient would be "
            "stored a second time. To change the key, ingest the exports into a new warehouse"
        )
