"""Sets of samples: from files, folders and arrays to comparable rows of finite numbers.

`read` brings one set in, `encode` makes the three sets of an audit comparable, `encode_alone`
encodes one set, `joined` puts batches together, `fingerprint` hashes a source without reading it
as samples. Nothing is ever unpickled.
"""

from byheart.samples.batches import joined
from byheart.samples.encoding import Encoded, Role, encode, encode_alone
from byheart.samples.record import ArraySamples, Samples, TableSamples
from byheart.samples.scaling import Span, columns_of
from byheart.samples.source import fingerprint, read

__all__ = [
    "ArraySamples",
    "Encoded",
    "Role",
    "Samples",
    "Span",
    "TableSamples",
    "columns_of",
    "encode",
    "encode_alone",
    "fingerprint",
    "joined",
    "read",
]
