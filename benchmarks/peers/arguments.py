"""The arguments every worker takes."""

import argparse


def parsed() -> argparse.Namespace:
  parser = argparse.ArgumentParser()
  parser.add_argument("model")
  parser.add_argument("--data", required=True)
  parser.add_argument("--batch", type=int, required=True)
  parser.add_argument("--steps", type=int, required=True)
  parser.add_argument("--every", type=int, required=True)
  return parser.parse_args()
