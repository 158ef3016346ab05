"""The checker's findings, as text."""

from collections import Counter
from dataclasses import dataclass, field

_SHOWN_MAX = 20  # findings of each kind that are shown


@dataclass(frozen=True)
class Violation:
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


@dataclass
class Report:
    violations: list[Violation] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    blocks: int = 0
    runs: int = 0
    runs_again: int = 0  # runs beyond the first one of each block
    told_committed: int = 0

    @property
    def ok(self) -> bool:
        return not self.violations

    @property
    def lost(self) -> int:
        """Blocks that were reported as on disk, or had to be done, and were not."""
        return sum(v.kind in ("durable", "completeness") for v in self.violations)

    def lines(self) -> list[str]:
        """The findings, the first of each kind."""
        lines = [f"outside the guarantee: {text}" for text in self.outside[:_SHOWN_MAX]]
        if len(self.outside) > _SHOWN_MAX:
            lines.append(f"outside the guarantee: {len(self.outside) - _SHOWN_MAX} more")
        shown: Counter[str] = Counter()
        for violation in self.violations:
            shown[violation.kind] += 1
            if shown[violation.kind] <= _SHOWN_MAX:
                lines.append(f"VIOLATION {violation}")
        lines += [
            f"VIOLATION {kind}: {count - _SHOWN_MAX} more"
            for kind, count in shown.items()
            if count > _SHOWN_MAX
        ]
        return lines
