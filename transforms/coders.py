"""How large elements are said to be, for Beam's metrics.

Beam asks the size of what goes from one stage to the next; for a type that it does not know, the
answer is the length of its pickle, made for nothing else. A batch knows its size.
"""

import pickle
from typing import Any

from apache_beam.coders import registry
from apache_beam.coders.coder_impl import CallbackCoderImpl
from apache_beam.coders.coders import FastCoder


class SizedCoder(FastCoder):
    """Pickles what has `nbytes`, as Beam does with what it does not know."""

    def _create_impl(self) -> CallbackCoderImpl:
        return CallbackCoderImpl(_encoded, pickle.loads, _size)


def _encoded(element: Any) -> bytes:
    return pickle.dumps(element, pickle.HIGHEST_PROTOCOL)


def _size(element: Any) -> int:
    return int(element.nbytes)


def sized(kind: type, collection: Any) -> Any:
    """A collection of elements of that type -> the same, their size known."""
    registry.register_coder(kind, SizedCoder)
    collection.element_type = kind
    return collection
