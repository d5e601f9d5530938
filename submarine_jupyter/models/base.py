"""What all models of the wire format have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)
from pydantic.alias_generators import to_camel

from submarine_jupyter.spec.vocabulary import Status as Status  # part of the wire format

Whole = Annotated[int, Field(strict=True)]  # `true` and "1" are no numbers


class WireModel(BaseModel):
    """Base of all: camelCase on the wire, unknown fields refused, numbers taken for strings."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        coerce_numbers_to_str=True,
        hide_input_in_errors=True,
    )
    ignored: ClassVar[tuple[str, ...]] = ()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Return the field that is called so on the wire: ``envVars``."""
            field = next((one for one in type(self).model_fields if to_camel(one) == name), None)
            return super().__getattr__(name) if field in (None, name) else getattr(self, field)

    @model_validator(mode="before")
    @classmethod
    def _ignore_read_only(cls, data: Any) -> Any:
        if cls.ignored and isinstance(data, Mapping):
            return {key: value for key, value in data.items() if key not in cls.ignored}
        return data
