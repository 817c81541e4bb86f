"""Token ids of awkward texts, against those of `transformers`."""

import json
import pathlib

import numpy as np
import pytest

from medfm.data.text import sequences, tokenizers
from medfm.types import Folders

TEXTS = {
  "nothing": "",
  "spaces": "   ",
  "plain": "The patient was given aspirin, 75 mg/day (oral).",
  "accents": "Ménière's disease; naïve Sjögren, Ångström, café",
  "accents apart": "Me\u0301nie\u0300re A\u030angstro\u0308m",
  "Chinese": "患者服用阿司匹林100毫克。",
  "Japanese and Korean": "患者はアスピリンを服用 환자 아스피린",
  "emoji": "pain 😀 👩‍⚕️👨🏽‍🔬 🇩🇪 relief",
  "Greek": "TNF-α, β-blocker and γδ T cells; ΑΣΠΙΡΙΝΗ ς Σ µg Ω",
  "control": "a\x00b\x07c\u200bd\u200de\ufefff\u00adg\x7f\ufffdh",
  "line ends": "one\ttwo\nthree\r\nfour\x0bfive\x0csix\u2028seven\x85eight",
  "spaces of all kinds": "a\u00a0b\u2003c\u3000d  e   f",
  "a long word": "pneumono" * 40,
  "a word of 100": "a" * 100,
  "a word of 101": "a" * 101,
  "a long line": "fever and cough " * 700,
  "mixed scripts": "IL-6抑制剂tocilizumabトシ и Аспирин العربية עברית हिन्दी",
  "punctuation": "p<0.05;~50%—“x”…‹y›$1_2^3`§¶ !!!",
  "case": "HIV mRNA pH DNA İstanbul ıI ẞß ǅ",
  "digits": "1234567890 ١٢٣ Ⅷ ½ ²",
  "markers": "<< aspirin >> inhibits [[ COX-1 ]]",
  "hashes": "##ing is ## not #a ##",
  "leading space": " aspirin aspirin",
  "one letter": "x",
  "unseen": "ꙮ𓀀𝔄",
}
SPELLED = {
  name: f"aspirin{name} {name} and{name.lower()}"
  for name in ("[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]", "<|endoftext|>")
}
ALL = list({**TEXTS, **SPELLED}.values())

pytestmark = pytest.mark.reference


@pytest.fixture(scope="module")
def theirs():
  return pytest.importorskip("transformers", reason="it is not installed")


def wordpiece_folder(place: pathlib.Path, lowercase: bool, **settings):
  """BERT's two files, with three of four letters of the texts."""
  seen = sorted({c for text in ALL for c in text + text.lower()})
  letters = [c for i, c in enumerate(seen) if i % 4 and not c.isspace()]
  words = [
    "aspirin",
    "##irin",
    "pneum",
    "##ono",
    "fever",
    "and",
    "cough",
    "the",
  ]
  words += ["The", "HIV", "##IV", "naive", "##ive", "Meni", "##ere", "[", "]"]
  words += ["患", "##者", "cls", "sep", "CLS", "SEP", "a" * 100, "##" + "a" * 9]
  tokens = ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
  tokens += [*words, *letters, *(f"##{c}" for c in letters)]
  text = "\n".join(dict.fromkeys(tokens)) + "\n"
  (place / "vocab.txt").write_text(text, encoding="utf-8")
  config = {"tokenizer_class": "BertTokenizer", "do_lower_case": lowercase}
  (place / "tokenizer_config.json").write_text(json.dumps(config | settings))
  return place


def bpe_folder(place: pathlib.Path, **settings):
  """GPT-2's two files, learnt from some of the texts."""
  from tokenizers import Tokenizer, models, pre_tokenizers, trainers

  inner = Tokenizer(models.BPE())
  inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
  trainer = trainers.BpeTrainer(
    vocab_size=600,
    initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    show_progress=False,
  )
  inner.train_from_iterator(list(TEXTS.values())[::2], trainer)
  inner.add_special_tokens(["<|endoftext|>"])
  inner.model.save(str(place))
  ids = inner.get_vocab(with_added_tokens=True)
  (place / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
  config = {"tokenizer_class": "GPT2Tokenizer"}
  (place / "tokenizer_config.json").write_text(json.dumps(config | settings))
  return place


KINDS = {
  "uncased": (wordpiece_folder, {"lowercase": True}),
  "cased": (wordpiece_folder, {"lowercase": False}),
  "cased, accents off": (
    wordpiece_folder,
    {"lowercase": False, "strip_accents": True},
  ),
  "uncased, accents on": (
    wordpiece_folder,
    {"lowercase": True, "strip_accents": False},
  ),
  "Chinese in words": (
    wordpiece_folder,
    {"lowercase": True, "tokenize_chinese_chars": False},
  ),
  "byte-level": (bpe_folder, {}),
  "byte-level, a space first": (bpe_folder, {"add_prefix_space": True}),
}


@pytest.fixture(params=KINDS)
def folder(request, tmp_path):
  make, settings = KINDS[request.param]
  (tmp_path / "old").mkdir()
  return make(tmp_path / "old", **settings)


def loaded(folder):
  return tokenizers.loaded((), Folders(None, ""), path=str(folder))


def check(reference, own):
  """Equal ids of every text; special tokens' names are text to both."""
  reference.split_special_tokens = True
  assert own.vocabulary == len(reference)
  found = own.ids(ALL)
  for text, ids in zip(ALL, found, strict=True):
    expected = reference(
      text, add_special_tokens=False, split_special_tokens=True
    )["input_ids"]
    assert ids.tolist() == expected, text[:60]
  unknown = own.special.get("unk", -1)
  assert sum((ids != unknown).sum() for ids in found) > 1000
  return found


def test_ids_of_the_old_files_are_those_of_the_reference(theirs, folder):
  check(theirs.AutoTokenizer.from_pretrained(folder), loaded(folder))


def test_ids_of_a_tokenizer_json_are_those_of_the_reference(
  theirs, folder, tmp_path
):
  reference = theirs.AutoTokenizer.from_pretrained(folder)
  reference.save_pretrained(tmp_path / "new")
  assert (tmp_path / "new" / "tokenizer.json").is_file()
  new = loaded(tmp_path / "new")
  found = check(theirs.AutoTokenizer.from_pretrained(tmp_path / "new"), new)
  for a, b in zip(found, loaded(folder).ids(ALL), strict=True):
    np.testing.assert_array_equal(a, b)


def test_rows_of_pairs_are_those_of_the_reference(theirs, tmp_path):
  folder = wordpiece_folder(tmp_path, lowercase=True)
  reference = theirs.AutoTokenizer.from_pretrained(folder)
  texts = [text for text in TEXTS.values() if text.strip()][:9]
  rows = sequences.texts(
    loaded(folder), texts, texts[::-1], list(map(str, range(9))), length=200
  )
  for row, (a, b) in enumerate(zip(texts, texts[::-1], strict=True)):
    expected = reference(a, b, padding="max_length", max_length=200)
    for ours, name in (
      ("tokens", "input_ids"),
      ("segment", "attention_mask"),
      ("token_type", "token_type_ids"),
    ):
      assert rows.arrays[ours][row].tolist() == expected[name], (a, name)
