"""The article's CNN by `model.fit`, on the backend KERAS_BACKEND names."""

import keras
import numpy as np
from keras import layers

from benchmarks.peers import arguments, lines


class Lines(keras.callbacks.Callback):
  """One line an epoch, since a callback per batch would cost the peer time."""

  def __init__(self, per_epoch: int, total: int):
    super().__init__()
    self.per_epoch, self.total = per_epoch, total

  def on_epoch_end(self, epoch, logs=None):
    lines.say((epoch + 1) * self.per_epoch, self.total, logs["loss"])


def main() -> None:
  given = arguments.parsed()
  data = np.load(f"{given.data}/train.npz")
  x = data["image"].astype("float32") / 255
  y = data["label"]
  model = keras.Sequential(
    [
      keras.Input(x.shape[1:]),
      layers.Conv2D(32, 3, activation="relu"),
      layers.MaxPooling2D(2),
      layers.Conv2D(64, 3, activation="relu"),
      layers.MaxPooling2D(2),
      layers.Flatten(),
      layers.Dense(128, activation="relu"),
      layers.Dense(10, activation="softmax"),
    ]
  )
  model.compile(
    optimizer="adam",
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
  )
  some = slice(0, given.batch)
  model.fit(x[some], y[some], batch_size=given.batch, verbose=0)
  lines.say(1, given.steps, 0.0)
  per_epoch = len(x) // given.batch
  model.fit(
    x,
    y,
    batch_size=given.batch,
    epochs=-(-given.steps // per_epoch),
    verbose=0,
    callbacks=[Lines(per_epoch, given.steps)],
  )


if __name__ == "__main__":
  main()
