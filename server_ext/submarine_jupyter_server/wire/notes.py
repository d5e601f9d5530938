"""What people note about an experiment: ``{note, pinned, archived}``."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, ValidationError

from submarine_jupyter.errors import InvalidRequest
from submarine_jupyter.models.base import WireModel
from submarine_jupyter.models.experiment_spec import problems
from submarine_jupyter.models.fields import Text

LONGEST_NOTE = 10_000
Flag = Annotated[bool, Field(strict=True)]


def _bounded(text: str) -> str:
    if len(text) > LONGEST_NOTE:
        raise ValueError(f"has {len(text):,} characters, and {LONGEST_NOTE:,} at most are kept")
    return text


class Notes(WireModel):
    """A change of the notes on an experiment; what is left out stays. An empty note, or null, is none."""

    note: Annotated[Text, AfterValidator(_bounded), Field(json_schema_extra={"maxLength": LONGEST_NOTE})] | None = None
    pinned: Flag = False
    archived: Flag = False

    @classmethod
    def parse(cls, body: object) -> Self:
        """Return the change in ``body`` (decoded JSON or YAML). Raises InvalidRequest naming each path."""
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            raise InvalidRequest(
                "; ".join(problems(error)),
                hint='Send {"note": "text", "pinned": true, "archived": false}, or some of these fields.',
            ) from None

    def changes(self) -> dict[str, str | bool | None]:
        """Return what is to be changed."""
        return {
            name: getattr(self, name) or None if name == "note" else getattr(self, name)
            for name in self.model_fields_set
        }
