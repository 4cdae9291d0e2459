import torch
from helpers.tiny_lottery import Blobs, TinyNet
from lightning.pytorch import Trainer

from app.modules import Classifier


def test_predicted_classes_are_those_of_the_largest_logits() -> None:
    module, data = Classifier(TinyNet(), num_classes=3), Blobs(eval_batch_size=4)
    trainer = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False)
    predicted = torch.cat(trainer.predict(module, datamodule=data))
    data.prepare()
    module.eval()
    images = torch.cat([images for images, _ in data.test_dataloader()])
    assert predicted.equal(module.net(images).max(1).indices)
    assert len(predicted) == 15
