"""ICD-9 codes by chapter."""

import pytest

from medfm.data.datasets import diabetes130


@pytest.mark.parametrize(
  ("code", "chapter"),
  [
    ("1", "infectious"), ("139.8", "infectious"), ("140", "neoplasms"),
    ("250.83", "diabetes"), ("250", "diabetes"), ("251", "endocrine"),
    ("428", "circulatory"), ("786", "symptoms"), ("999.9", "injury"),
    ("V57", "services"), ("E849", "external"), ("?", ""), ("x12", ""),
    ("1234", ""),
  ],
)  # fmt: skip
def test_a_code_belongs_to_its_chapter(code, chapter):
  assert diabetes130.chapter(code) == chapter
