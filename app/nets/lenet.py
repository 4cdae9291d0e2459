"""LeNet-300-100 (LeCun et al., 1998; Frankle & Carbin, Figure 2)."""

# B batch, features 784 -> 300 -> 100 -> 10

import torch
from torch import Tensor, nn


class LeNet(nn.Module):
    """Three fully connected layers, 784-300-100-10, ReLU between them: 266,200 weights and 410 biases."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(784, 300)
        self.fc2 = nn.Linear(300, 100)
        self.output = nn.Linear(100, 10)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise from torch's global generator: weights Gaussian Glorot (appendix A of the paper), biases zero."""
        for layer in (self.fc1, self.fc2, self.output):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)

    def prunable_parameters(self) -> dict[str, str]:
        """Parameter names and their layer kinds; the output layer is pruned at a rate of its own."""
        return {"fc1.weight": "fc", "fc2.weight": "fc", "output.weight": "output"}

    def forward(self, images: Tensor) -> Tensor:
        """Class scores of images.

        Args:
            images: float, (B, 1, 28, 28) or (B, 784).

        Returns:
            Logits, (B, 10).
        """
        hidden = torch.relu(self.fc1(images.flatten(1)))
        hidden = torch.relu(self.fc2(hidden))
        logits: Tensor = self.output(hidden)
        return logits
