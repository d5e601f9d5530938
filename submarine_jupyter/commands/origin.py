"""Where a command is given: which notebook, which cell, which execution of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """The path of a notebook and the id of a cell, as the front end names them; ``execution`` is this run of the cell.

    None is what the front end does not say. ``label`` is what people call the cell: ``Cell In[4]``.
    """

    notebook: str | None = None
    cell: str | None = None
    execution: str | None = None
    label: str = "Cell"

    def wire(self) -> dict[str, str] | None:
        """Return it as ``runtime.origin``, None where no notebook is known."""
        if self.notebook is None:
            return None
        return {"notebook": self.notebook} | ({"cell": self.cell} if self.cell is not None else {})
