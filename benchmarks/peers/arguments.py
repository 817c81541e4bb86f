"""The arguments every worker takes."""

import argparse


def parsed(*switches: str) -> argparse.Namespace:
  """switches: further options that are on or off."""
  parser = argparse.ArgumentParser()
  parser.add_argument("model")
  parser.add_argument("--data", required=True)
  parser.add_argument("--batch", type=int, required=True)
  parser.add_argument("--steps", type=int, required=True)
  parser.add_argument("--every", type=int, required=True)
  for name in switches:
    parser.add_argument(f"--{name}", action="store_true")
  return parser.parse_args()
