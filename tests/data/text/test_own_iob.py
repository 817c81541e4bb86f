"""A user's annotated sentences, and each mistake's message."""

import numpy as np
import pytest

from medfm.data import splits
from medfm.data.text import own_iob
from medfm.tasks.tags import Tags
from medfm.types import Folders, UserError
from tests.data.text.small import settings

IOB = "\n".join(
  f"case\tO\n{i}\tO\ntook\tO\nasp{i}\tB-Drug\nrin\tI-Drug\n" for i in range(20)
)


@pytest.fixture
def iob(tmp_path):
  def make(content=IOB, test=None, **given):
    (tmp_path / "mine.tsv").write_text(content)
    if test is not None:
      (tmp_path / "test.tsv").write_text(test)
      given["test_path"] = "test.tsv"
    folders = Folders(raw=str(tmp_path), cache=str(tmp_path / "cache"))
    return own_iob.own_iob(folders, path="mine.tsv", **settings(**given))

  return make


def test_sentences_become_labelled_tokens(iob):
  data = iob()
  assert isinstance(data.info.target, Tags)
  assert data.info.target.names == ("O", "B-Drug", "I-Drug")
  labels = [s.arrays["label"] for s in data.splits.values()]
  values, counts = np.unique(np.concatenate(labels), return_counts=True)
  assert dict(zip(values.tolist(), counts.tolist(), strict=True)) | {-1: 0} == {
    -1: 0, 0: 60, 1: 20, 2: 20,
  }  # fmt: skip


def test_documents_of_sentences_stay_together(iob):
  marked = "\n".join(
    f"-DOCSTART-\tO\n\nasp\tB-Drug\n\nsecond{i}\tO\n" for i in range(10)
  )
  parts = iob(marked).splits
  sets = [set(split.patients) for split in parts.values()]
  assert sum(map(len, sets)) == 10
  assert splits.sha256(parts["train"])


def test_new_sentences_need_no_tags(iob, tmp_path):
  data = iob()
  (tmp_path / "new.txt").write_text("took asp1 rin\n\ncase 3\n")
  split = data.encode(str(tmp_path / "new.txt"))
  assert split.ids.tolist() == ["new.txt:1", "new.txt:3"]
  assert "label" not in split.arrays
  assert split.arrays["word"].max(1).tolist() == [2, 1]


@pytest.mark.parametrize(
  "given, said",
  [
    ({"content": IOB + "\nx\tI-Drug\n"}, "row 121"),
    ({"content": IOB + "\nx B-Drug\n"}, "row 121"),
    ({"content": "a\tO\n"}, "marks no entity"),
    ({"test": "a\tB-Gene\n"}, "row 1: the entity type 'Gene'"),
  ],
)
def test_a_bad_annotation_is_named(iob, given, said):
  with pytest.raises(UserError) as caught:
    iob(**given)
  assert said in str(caught.value)


def test_a_tag_in_another_spelling_or_case_is_refused(iob):
  with pytest.raises(UserError, match=r"row 4: the tag 'B-Drug.u200b' holds"):
    iob(IOB.replace("B-Drug", "B-Drug\u200b", 2))
  with pytest.raises(UserError, match="'DRUG' and 'Drug' differ in case"):
    iob(IOB + "\n\nx\tB-DRUG\n")


@pytest.mark.parametrize(
  ("name", "content", "text", "spans"),
  [
    (
      "new.txt",
      " took  asp1 rin\n",
      " took  asp1 rin",
      [(1, 5), (7, 11), (12, 15)],
    ),
    (
      "new.tsv",
      "took\nasp1\nrin\n",
      "took asp1 rin",
      [(0, 4), (5, 9), (10, 13)],
    ),
  ],
)
def test_new_sentences_tell_where_their_words_stand(
  iob, tmp_path, name, content, text, spans
):
  (tmp_path / name).write_text(content)
  split = iob().encode(str(tmp_path / name))
  assert split.source["text"].tolist() == [text]
  assert split.source["spans"][0] == spans
