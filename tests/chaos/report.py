"""What the checker found, for people."""

from collections import Counter
from dataclasses import dataclass, field

_SHOWN_MAX = 20  # of each kind


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
    runs_again: int = 0  # beyond the first of each block
    told_committed: int = 0

    @property
    def ok(self) -> bool:
        return not self.violations

    @property
    def lost(self) -> int:
        """Blocks that were told to be on disk, or have to be done, and are not."""
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
