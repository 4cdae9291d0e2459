"""Fresh magnitudes with the old signs (Zhou et al. 2019, "signed reinit")."""

from torch import Tensor
from typing_extensions import override

from app.lottery.methods.control import Control
from app.lottery.methods.method import Finished
from app.runs.layout import NetworkKey


class SameSignReinit(Control):
    """The mask of a ticket; each survivor has the sign that it is rewound to and the magnitude of a fresh draw.

    What is not pruned, such as biases, is rewound.
    """

    name = "same_sign"
    label = "same sign"
    note = "a ticket's mask on fresh magnitudes with the signs of the weights that tickets are rewound to"

    @override
    def weights(self, key: NetworkKey, finished: Finished) -> dict[str, Tensor]:
        start, fresh = finished.rewind_point(key.replicate, self.of), finished.fresh_weights(key)
        start |= {name: start[name].clone() for name in self.ticket(key, finished)}
        magnitudes = finished.parts(fresh)
        for name, part in finished.parts(start).items():
            part.copy_(magnitudes[name].abs().copysign(part))
        return start
