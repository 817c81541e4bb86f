"""A folder of JPEG files through tf.data, decoded once and cached in memory."""

import pathlib

import tensorflow as tf

from benchmarks.peers import arguments, lines

SIZE = 64


def decoded(path, label):
  image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
  image = tf.image.resize(image, (SIZE, SIZE), antialias=True)
  return tf.cast(image, tf.uint8), label


def main() -> None:
  given = arguments.parsed()
  files = sorted(pathlib.Path(given.data, "files", "train").glob("*/*"))
  labels = [int(path.parent.name[5:]) for path in files]
  data = tf.data.Dataset.from_tensor_slices((list(map(str, files)), labels))
  data = data.map(decoded, num_parallel_calls=tf.data.AUTOTUNE).cache()
  data = data.shuffle(len(files)).batch(given.batch)
  data = data.map(lambda x, y: (tf.cast(x, tf.float32) / 255, y))
  data = data.prefetch(tf.data.AUTOTUNE)
  lines.say(1, given.steps, 0.0)
  for epoch in range(given.steps // len(files)):
    for image, _ in data:
      last = image
    done = 1 + (epoch + 1) * len(files)
    lines.say(done, given.steps, float(tf.reduce_mean(last)))


if __name__ == "__main__":
  main()
