"""FLOPs of a training step by hand: three times the forward pass's products.

Per example. XLA's own count leaves out what custom kernels do and takes the
body of a loop once, so that it is no use for loops over time, for layers
under a scan or for fused attention.
"""

RESNET50 = 3 * 2 * 4.09e9
"""At 224 x 224; 4.09e9 multiply-adds forward, torchvision's table."""


def lstm(*, length: int, embed: int, width: int) -> float:
  """One direction: input and state to four gates, at every place."""
  return 3.0 * 2 * length * (embed + width) * 4 * width


def transformer(
  *,
  length: int,
  width: int,
  depth: int,
  causal: bool = False,
  vocabulary: int = 0,
  places: int = 0,
  patch: int = 0,
) -> float:
  """Blocks with a hidden layer of four widths.

  causal: attention is counted at half, since half of it is masked.
  vocabulary, places: logits of so many tokens at so many places.
  patch: features of an image's patch, embedded by a product; 0 for tokens.
  """
  blocks = depth * length * 12 * width**2
  attention = depth * 2 * length**2 * width / (2 if causal else 1)
  ends = places * width * vocabulary + length * patch * width
  return 3.0 * 2 * (blocks + attention + ends)
