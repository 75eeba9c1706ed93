"""A configuration with its lines, so that a few of them can be changed and all others stay to the byte."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from email_engine.pmta.config.inventory import Inventory, inventory_of
from email_engine.pmta.language.assembly import Assembly, assemble
from email_engine.pmta.language.parse import raw_lines


@dataclass(frozen=True, slots=True)
class Source:
    """`lines`: with their line breaks; the first one has number 1 in the tree."""

    lines: list[str]
    assembly: Assembly
    inventory: Inventory

    @classmethod
    def of(cls, text: str) -> Self:
        assembly = assemble(text)
        return cls(raw_lines(text), assembly, inventory_of(assembly))

    def line(self, number: int) -> str:
        return self.lines[number - 1]

    def with_edits(self, edits: Mapping[int, str]) -> str:
        """The text with other lines by number; an empty one takes the line away."""
        lines = self.lines.copy()
        for number, line in edits.items():
            lines[number - 1] = line
        return "".join(lines)
