"""What a model gives nothing for."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class LeftOut:
    """What a model gives nothing for, words or sentences: how many, and the first few."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, word: str) -> None:
        """Count one more."""
        self.count += 1
        if len(self.examples) < 5 and repr(word) not in self.examples:
            self.examples.append(repr(word))

    def notes(self, what: str) -> list[str]:
        """What to tell the user: how many of `what`, and which; nothing when nothing was left out."""
        more = ", …" if self.count > len(self.examples) else ""
        return [f"{self.count:,} {what}: {', '.join(self.examples)}{more}"] if self.count else []
