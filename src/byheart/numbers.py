"""The numbers in a record: what each may be, and what JSON's null stands for.

JSON has neither NaN nor infinity, so both are null in a file. A field's type says which of them
null is read as; the report (`byheart.report`) reads and checks the records by these types.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any


@dataclass(frozen=True)
class Limits:
    """Marks a number: its smallest and largest value, and what null is, if it may be null."""

    ge: float | None = None
    le: float | None = None
    null: float | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema  # asked for by pydantic only

        if source is int:
            return core_schema.int_schema(ge=None if self.ge is None else int(self.ge))
        finite = core_schema.float_schema(ge=self.ge, le=self.le, allow_inf_nan=False)
        if self.null is None:
            return finite
        return core_schema.no_info_after_validator_function(
            lambda value: self.null if value is None else value,
            core_schema.nullable_schema(finite),
        )


Count = Annotated[int, Limits(ge=0)]
Share = Annotated[float, Limits(ge=0, le=1)]
Number = Annotated[float, Limits(null=math.nan)]  # NaN where there is no value
Minimum = Annotated[float, Limits(null=-math.inf)]
Maximum = Annotated[float, Limits(null=math.inf)]
