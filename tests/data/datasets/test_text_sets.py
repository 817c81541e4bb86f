"""The text sets hold what their manifest says, on the real files."""

import numpy as np
import pytest

from medfm.data import leakage
from medfm.data.datasets import (
  chemprot,
  corpus,
  ddi2013,
  hallmarks_of_cancer,
  iob,
  medical_abstracts,
  pubmed_rct,
  pubmedqa,
  sentence_pairs,
)
from medfm.data.text import texts, token_rows
from medfm.data.text.tokenizers import wordpiece
from medfm.tasks.multiclass import Classes
from medfm.tasks.pretext import Nothing
from medfm.types import Folders, UserError

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def folders(shared_folders):
  return shared_folders


def sizes(raw):
  return {name: len(split) for name, split in raw.splits.items()}


def per_class(raw, *names):
  label = np.concatenate([raw.splits[n].arrays["label"] for n in names])
  return np.bincount(label, minlength=len(raw.names)).tolist()


def mentions(raw, name):
  """Entities of a split by type."""
  tags = [
    tag
    for line in raw.splits[name].arrays["tags"]
    for tag in line.split(token_rows.SEPARATOR)
  ]
  kinds = [c[2:] for c in raw.names if c.startswith("B-")]
  return {kind: tags.count(f"B-{kind}") for kind in kinds}


def test_pubmedqa_has_its_official_test(folders):
  raw, _ = pubmedqa.source(folders)
  assert sizes(raw) == {"train": 450, "validation": 50, "test": 500}
  assert per_class(raw, "test") == [169, 55, 276]
  assert per_class(raw, "train", "validation", "test") == [338, 110, 552]


def test_hallmarks_of_cancer_has_its_ten_classes(folders):
  # As many as the label files that hold the class's name anywhere.
  raw, _ = hallmarks_of_cancer.source(folders)
  label = np.concatenate([s.arrays["label"] for s in raw.splits.values()])
  assert dict(
    zip(raw.names, label.sum(0).astype(int).tolist(), strict=True)
  ) == {
    "Sustaining proliferative signaling": 462,
    "Evading growth suppressors": 240,
    "Resisting cell death": 429,
    "Enabling replicative immortality": 115,
    "Inducing angiogenesis": 143,
    "Activating invasion and metastasis": 291,
    "Genomic instability and mutation": 333,
    "Tumor promoting inflammation": 240,
    "Cellular energetics": 105,
    "Avoiding immune destruction": 108,
  }
  assert sum(sizes(raw).values()) == 1852


@pytest.mark.parametrize(
  "name, sentences, entities",
  [
    (
      "bc5cdr",
      (4560, 4581, 4797),
      {"Chemical": (5203, 5347, 5385), "Disease": (4182, 4246, 4424)},
    ),
    ("bc5cdr_chemical", (4560, 4581, 4797), {"Chemical": (5203, 5347, 5385)}),
    ("bc5cdr_disease", (4560, 4581, 4797), {"Disease": (4182, 4246, 4424)}),
    ("bc2gm", (12574, 2519, 5038), {"GENE": (15197, 3061, 6325)}),
    ("linnaeus", (11935, 4078, 7142), {"Species": (2119, 711, 1433)}),
  ],
)
def test_entity_sets_have_their_sentences_and_mentions(
  folders, name, sentences, entities
):
  raw, _ = iob.source(folders, name)
  assert tuple(sizes(raw).values()) == sentences
  found = [mentions(raw, part) for part in ("train", "validation", "test")]
  assert {kind: tuple(f[kind] for f in found) for kind in found[0]} == entities


def test_chemprot_has_its_official_split(folders):
  raw, _ = chemprot.source(folders)
  assert tuple(sizes(raw).values()) == (4169, 2427, 3469)
  assert len(raw.names) == 13
  absent = per_class(raw, "validation").index(0)
  assert raw.names[absent] == "AGONIST-INHIBITOR"
  absent = per_class(raw, "test").index(0)
  assert raw.names[absent] == "SUBSTRATE_PRODUCT-OF"


def test_ddi2013_has_its_pairs(folders):
  raw, _ = ddi2013.source(folders)
  assert raw.names == ("none", "advise", "effect", "int", "mechanism")
  assert per_class(raw, "train", "validation") == [23771, 826, 1687, 188, 1319]
  assert per_class(raw, "test") == [4737, 221, 360, 96, 302]
  assert raw.changes == [
    {"what": "dropped interactions without a type", "count": 1}
  ]
  documents = [
    set(raw.splits[name].patients) for name in ("train", "validation")
  ]
  assert not documents[0] & documents[1]


def test_ddi2013_marks_the_drugs_it_names(folders):
  raw, _ = ddi2013.source(folders)
  test = raw.splits["test"]
  for text in test.arrays["text"][:200]:
    assert all(text.count(mark) == 1 for mark in ("<<", ">>", "[[", "]]"))


def test_medical_abstracts_keep_equal_texts_together(folders):
  raw, _ = medical_abstracts.source(folders)
  assert per_class(raw, *raw.splits) == [633, 299, 385, 610, 961]
  assert raw.changes[0]["count"] == 118
  seen = [set(split.arrays["text"]) for split in raw.splits.values()]
  assert sum(map(len, seen)) == len(set.union(*seen))


def test_a_set_is_tokenised_whole(folders):
  data = medical_abstracts.medical_abstracts(folders, length=128)
  assert isinstance(data.info.target, Classes) and sum(
    data.info.target.counts
  ) == len(np.unique(data.splits["train"].arrays["document"]))
  leakage.refuse(leakage.leakage(data))


@pytest.fixture(scope="module")
def pretraining(folders):
  return corpus.corpus(
    folders, sets=("pubmedqa", "medical_abstracts", "chemprot"), length=128
  )


def test_the_corpus_holds_no_held_out_text(folders, pretraining):
  kept = corpus.gathered(folders, ("pubmedqa", "medical_abstracts", "chemprot"))
  contents = set(map(texts.content, kept.text))
  for source in (pubmedqa.source, medical_abstracts.source, chemprot.source):
    for part in ("validation", "test"):
      for _, text in corpus._texts(source(folders)[0].splits[part]):
        assert texts.content(text) not in contents
  test, _ = pubmedqa.source(folders)
  names = {name for name in kept.names if name.startswith("pubmedqa/")}
  assert not names & {f"pubmedqa/{pmid}" for pmid in test.splits["test"].ids}


def test_the_corpus_says_how_large_it_is(pretraining):
  account = pretraining.card["corpus"]
  assert account["characters"] == sum(
    entry["characters"] for entry in account["sets"].values()
  )
  assert pretraining.card["text"]["train"]["padding"]["fixed"] < 0.02
  assert pretraining.info.target == Nothing()


def test_fine_tuning_may_share_the_tokenizer_of_the_corpus(
  folders, pretraining
):
  token = corpus.tokenizer(
    (), folders, sets=("pubmedqa", "medical_abstracts", "chemprot")
  )
  assert token.sha256 == pretraining.info.only.tokenizer


def test_documents_of_the_corpus_are_in_one_part(pretraining):
  sets = [
    {tuple(row[segment > 0][:40]) for row, segment in zip(
      split.arrays["tokens"], split.arrays["segment"], strict=True)}
    for split in pretraining.splits.values()
  ]  # fmt: skip
  assert not sets[0] & sets[2]


@pytest.fixture(scope="module")
def pairs(folders):
  return sentence_pairs.sentence_pairs(folders, sets=("pubmedqa",), length=64)


def test_pairs_are_counted_and_nearly_half_are_neighbours(pairs):
  kinds = pairs.splits["train"].arrays["next_sentence"]
  assert 0.3 < (kinds == sentence_pairs.FOLLOWS).mean() < 0.5
  assert pairs.card["pairs"]["train"]["rows"] == len(kinds)
  again = pairs.splits["train"].arrays
  assert again["tokens"].shape[1] == 64
  assert set(np.unique(again["token_type"])) == {0, 1}


def test_a_pair_is_of_one_document_or_of_two():
  documents = [[np.full(5, 100 * d + s) for s in range(6)] for d in range(1, 5)]
  made = sentence_pairs.pairs(documents, 20, 0, "train")
  assert made and {kind for *_, kind in made} == {0, 1}
  for first, second, kind in made:
    assert len(first) and len(second) and len(first) + len(second) <= 20
    of = [set(part // 100) for part in (first, second)]
    assert len(of[0]) == 1
    if kind == sentence_pairs.FOLLOWS:
      assert of[0] == of[1] and second[0] == first[-1] + 1
    else:
      assert not of[0] & of[1]
  again = sentence_pairs.pairs(documents, 20, 0, "train")
  for one, other in zip(made, again, strict=True):
    np.testing.assert_array_equal(
      np.concatenate(one[:2]), np.concatenate(other[:2])
    )


RCT = "\n".join(
  f"###{100 + i}\nOBJECTIVE\tTo see {i} .\nMETHODS\tWe saw {i} .\n"
  f"RESULTS\tThere were {i} .\n"
  for i in range(4)
)


def rct(tmp_path, content=RCT, **given):
  folder = tmp_path / "PubMed_20k_RCT"
  folder.mkdir(exist_ok=True)
  for number, name in enumerate(("train", "dev", "test")):
    text = content.replace("###1", f"###{number + 1}")
    (folder / f"{name}.txt").write_text(text)
  folders = Folders(str(tmp_path), str(tmp_path / "cache"))
  return pubmed_rct.source(folders, **given)[0]


def test_pubmed_rct_reads_roles_of_sentences(tmp_path):
  raw = rct(tmp_path)
  assert sizes(raw) == {"train": 12, "validation": 12, "test": 12}
  assert per_class(raw, "train") == [0, 4, 4, 4, 0]
  assert raw.splits["train"].ids[1] == "100:2"


def test_pubmed_rct_gives_neighbours_as_context(tmp_path):
  pair = rct(tmp_path, context=1).splits["train"].arrays["pair"]
  assert pair[0] == "To see 0 . We saw 0 ."
  assert pair[1] == "To see 0 . We saw 0 . There were 0 ."
  assert pair[2] == "We saw 0 . There were 0 ."


def test_pubmed_rct_names_a_bad_line(tmp_path):
  with pytest.raises(UserError, match="row 2: 'AIM' is none of the roles"):
    rct(tmp_path, "###1\nAIM\tTo see .\n")


def test_pubmed_rct_says_where_it_is_from(tmp_path, monkeypatch):
  monkeypatch.setenv("MEDFM_OFFLINE", "1")
  folders = Folders(str(tmp_path), str(tmp_path / "cache"))
  with pytest.raises(UserError, match="Franck-Dernoncourt/pubmed-rct"):
    pubmed_rct.pubmed_rct(folders, tokenizer=wordpiece)
