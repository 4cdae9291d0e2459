"""The initialisation of all networks of Frankle & Carbin (2019, appendix A): Gaussian Glorot, biases zero."""

from torch import nn

WEIGHTED = (nn.Linear, nn.Conv2d)


def reset_to_glorot(net: nn.Module) -> None:
    """Initialise every layer of a network from torch's global generator, in the order of its modules.

    Args:
        net: of linear and convolutional layers; batch norms begin anew, with their statistics.
    """
    for layer in net.modules():
        if isinstance(layer, WEIGHTED):
            nn.init.xavier_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()
