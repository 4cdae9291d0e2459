"""The methods of some lotteries: their order, what they are called, and how they are drawn."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from app.plotting.line_styles import DENSE_STYLE, LineStyle, control_style, ticket_style
from app.runs.layout import DENSE
from app.runs.schema import MethodNote, RunSchema


@dataclass(frozen=True, slots=True, kw_only=True)
class Methods:
    """All methods of the lotteries that are reported on.

    Args:
        notes: by name, in order, the dense network first.
    """

    notes: Mapping[str, MethodNote]

    @classmethod
    def of(
        cls, schemas: Sequence[RunSchema], names: Iterable[str], controls: Mapping[str, str] | None = None
    ) -> "Methods":
        """Collect methods.

        Args:
            schemas: what is declared; of several notes on one method, the first counts.
            names: methods that have networks; those that nothing declares come last.
            controls: by the name of a control, the method whose tickets it is a control of, as the paths tell it.
        """
        declared: dict[str, MethodNote] = {}
        for schema in schemas:
            for note in schema.methods:
                declared.setdefault(note.name, note)
        notes = {}
        for name in dict.fromkeys([DENSE, *declared, *names]):
            note = declared.get(name, MethodNote(name=name))
            notes[name] = note if note.of else replace(note, of=(controls or {}).get(name, ""))
        return cls(notes=notes)

    def in_order(self, names: Iterable[str]) -> list[str]:
        """Names of methods, each once, in order."""
        given = set(names)
        return [name for name in self.notes if name in given]

    def title(self, name: str) -> str:
        """What a method is called."""
        return self.notes[name].title

    def is_control(self, name: str) -> bool:
        """Whether a method makes controls of another's tickets."""
        return bool(self.notes[name].of)

    def tickets(self, present: Iterable[str]) -> str | None:
        """The method whose tickets stand for an experiment: the first that prunes and makes no controls.

        Args:
            present: the methods of the experiment.
        """
        return next((name for name in self.in_order(present) if name != DENSE and not self.is_control(name)), None)

    def controlled(self, control: str, present: Iterable[str]) -> str | None:
        """The method whose tickets a control is compared with; None where the experiment has none.

        Args:
            control: name of the control.
            present: the methods of the experiment.
        """
        present = list(present)
        of = self.notes[control].of
        return of if of in present else self.tickets(present)

    def line_style(self, name: str) -> LineStyle:
        """How a method is drawn: by its place among the methods, or the controls, of all lotteries."""
        if name == DENSE:
            return DENSE_STYLE
        control = self.is_control(name)
        alike = [other for other in self.notes if other != DENSE and self.is_control(other) == control]
        return (control_style if control else ticket_style)(alike.index(name))
