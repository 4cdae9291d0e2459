"""The weights that a mask keeps at 0 during a training."""

from collections.abc import Mapping

from lightning.pytorch import LightningModule
from torch import Tensor
from torch.nn import Parameter

from app.common.states import plain_parameters
from app.pruning.masks import as_bits, clear_


class MaskedWeights:
    """Parameters and the bits of their masks, on the device of the parameters.

    The masks are not buffers of the module, which may have others of the same names, and whose buffers other callbacks
    average.
    """

    def __init__(self) -> None:
        self._masked: list[tuple[Parameter, Tensor]] = []

    def hold(self, module: LightningModule, masks: Mapping[str, Tensor]) -> None:
        """Set what is masked to 0, and remember its bits for the hooks of every iteration.

        Args:
            module: on the device that it is trained on.
            masks: bool masks by plain parameter name, True for survivors.
        """
        parameters = plain_parameters(module)
        self._masked = [
            (parameters[name], as_bits(mask, parameters[name])) for name, mask in masks.items() if not mask.all()
        ]
        self.clear()

    def clear(self) -> None:
        """Set masked weights to 0."""
        for parameter, bits in self._masked:
            clear_(parameter, bits)

    def clear_gradients(self) -> None:
        """Set the gradients of masked weights to 0."""
        for parameter, bits in self._masked:
            if parameter.grad is not None:
                clear_(parameter.grad, bits)

    def release(self) -> None:
        """Free the memory that the bits take."""
        self._masked = []
