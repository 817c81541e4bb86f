"""The models of `benchmarks.gpu`, as sizes that both sides read."""

import dataclasses

from benchmarks import counted


@dataclasses.dataclass(frozen=True)
class Sizes:
  """One model: images of `image` pixels, or rows of `length` tokens.

  places: of a row that are hidden and restored, for a masked model.
  """

  title: str
  batch: int
  depth: int
  width: int = 0
  heads: int = 0
  image: int = 0
  patch: int = 0
  classes: int = 0
  length: int = 0
  vocabulary: int = 0
  places: int = 0

  def flops(self, name: str) -> float | None:
    """Of an example's training step; None where nobody counted it."""
    if name == "resnet":
      return counted.RESNET50 if (self.image, self.depth) == (224, 50) else None
    patches = (self.image // self.patch) ** 2 + 1 if name == "vit" else 0
    causal = name == "gpt"
    return counted.transformer(
      length=patches or self.length,
      width=self.width,
      depth=self.depth,
      causal=causal,
      vocabulary=self.vocabulary,
      places=self.length if causal else self.places,
      patch=3 * self.patch**2,
    )


_BASE = {"depth": 12, "width": 768, "heads": 12}
_SMALL = {"depth": 2, "width": 64, "heads": 2}
FULL = {
  "vit": Sizes(
    "ViT-B/16 at 224 x 224", 256, image=224, patch=16, classes=1000, **_BASE
  ),
  "bert": Sizes(
    "BERT-base, 512 tokens, masked LM", 64,
    length=512, vocabulary=30522, places=77, **_BASE,
  ),
  "gpt": Sizes(
    "GPT, 124 M parameters, 1024 tokens", 32,
    length=1024, vocabulary=50257, **_BASE,
  ),
  "resnet": Sizes("ResNet-50 at 224 x 224", 256, 50, image=224, classes=1000),
}  # fmt: skip
TINY = {
  "vit": Sizes("ViT, tiny", 4, image=32, patch=8, classes=10, **_SMALL),
  "bert": Sizes("BERT, tiny", 4, length=32, vocabulary=512, places=5, **_SMALL),
  "gpt": Sizes("GPT, tiny", 4, length=32, vocabulary=512, **_SMALL),
  "resnet": Sizes("ResNet-18, tiny", 4, 18, image=32, classes=10),
}
SIZES = {"full": FULL, "tiny": TINY}
