"""Tokenizers: learnt the same twice, read back, and what is refused."""

import itertools
import json

import numpy as np
import pytest

from medfm.data.text import tokenizers
from medfm.spec import bind, build, from_json, to_json
from medfm.types import Folders, UserError

TEXTS = (
  "The patient was given aspirin for chest pain .",
  "Aspirin and ibuprofen interact with warfarin in some patients .",
  "<< Aspirin >> inhibits [[ COX-1 ]] and [[ COX-2 ]] .",
)
KINDS = {"wordpiece": tokenizers.wordpiece, "byte_bpe": tokenizers.byte_bpe}


@pytest.fixture
def place(tmp_path):
  return Folders(raw=str(tmp_path), cache=str(tmp_path / "cache"))


@pytest.fixture(params=KINDS)
def tokenizer(request, place):
  return KINDS[request.param](TEXTS, place, vocabulary=400)


@pytest.mark.parametrize("kind", KINDS)
def test_learning_twice_gives_the_same_tokenizer(kind, tmp_path):
  hashes = {
    KINDS[kind](
      TEXTS, Folders(None, str(tmp_path / name)), vocabulary=400
    ).sha256
    for name in "abc"
  }
  assert len(hashes) == 1


def test_a_tokenizer_is_read_back_from_the_cache(place, monkeypatch):
  first = tokenizers.wordpiece(TEXTS, place, vocabulary=400)
  monkeypatch.setattr(tokenizers, "_wordpiece_text", None)
  assert tokenizers.wordpiece(TEXTS, place, vocabulary=400).text == first.text


def test_a_damaged_cache_is_learnt_again(place, tmp_path):
  first = tokenizers.wordpiece(TEXTS, place, vocabulary=400)
  (path,) = (tmp_path / "cache" / "tokenizers").glob("*.json")
  path.write_text(path.read_text()[:100])
  assert tokenizers.wordpiece(TEXTS, place, vocabulary=400).text == first.text


def test_saved_text_gives_the_same_ids(tokenizer):
  again = tokenizers.Tokenizer(tokenizer.text)
  assert again.sha256 == tokenizer.sha256
  for a, b in zip(again.ids(TEXTS), tokenizer.ids(TEXTS), strict=True):
    np.testing.assert_array_equal(a, b)


def test_bytes_survive_the_round_trip(place):
  tokenizer = tokenizers.byte_bpe(TEXTS, place, vocabulary=400)
  for text in (*TEXTS, "naïve β-blocker\tµg 😀"):
    assert tokenizer.decoded(tokenizer.ids([text])[0]) == text


def test_wordpiece_decodes_to_lowercase_words(place):
  tokenizer = tokenizers.wordpiece(TEXTS[:2], place, vocabulary=400)
  said = tokenizer.decoded(tokenizer.ids([TEXTS[0]])[0])
  assert said.replace(" ", "") == TEXTS[0].lower().replace(" ", "")


def test_words_are_cut_as_in_their_sentence(tokenizer):
  words = tokenizer.words(TEXTS[1].split())
  flat = list(itertools.chain(*words))
  assert flat == tokenizer.ids([TEXTS[1]])[0].tolist()


def test_a_word_of_which_nothing_is_left_is_one_token(place):
  tokenizer = tokenizers.wordpiece(TEXTS, place, vocabulary=400)
  assert tokenizer.words(["\u200d"]) == [(tokenizer.special["unk"],)]


def test_special_ids_of_wordpiece_come_first(place):
  special = tokenizers.wordpiece(TEXTS, place, vocabulary=400).special
  assert [special[r] for r in ("pad", "unk", "cls", "sep", "mask")] == [
    0, 1, 2, 3, 4,
  ]  # fmt: skip


def test_byte_bpe_has_no_mask(place):
  special = tokenizers.byte_bpe(TEXTS, place, vocabulary=400).special
  assert special == {"pad": 0, "bos": 1, "eos": 1}


def test_each_marker_is_one_token_of_our_own(place):
  for learn in (
    tokenizers.wordpiece,
    lambda t, f, vocabulary: tokenizers.byte_bpe(
      t, f, vocabulary=vocabulary, markers=tokenizers.MARKERS
    ),
  ):
    tokenizer = learn(TEXTS, place, vocabulary=400)
    assert [len(ids) for ids in tokenizer.ids(tokenizers.MARKERS)] == [1] * 4
    assert tokenizer.vocabulary <= 400


def test_a_text_cannot_spell_out_a_special_token(tokenizer):
  for name in ("[SEP]", "[MASK]", "<|endoftext|>"):
    ids = tokenizer.ids([f"aspirin {name} pain"])[0]
    roles = set(tokenizer.special.items()) - {
      ("unk", tokenizer.special.get("unk"))
    }
    assert not {i for _, i in roles} & set(ids.tolist())


def test_a_vocab_txt_is_read_as_bert_reads_it(place, tmp_path):
  names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "asp", "##irin", "."]
  (tmp_path / "vocab.txt").write_text("\n".join(names) + "\n")
  tokenizer = tokenizers.loaded((), place, path="vocab.txt")
  assert tokenizer.ids(["Aspirin."])[0].tolist() == [5, 6, 7]
  assert tokenizer.vocabulary == 8


def test_case_of_a_vocab_txt_follows_its_config(place, tmp_path):
  names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "aspirin"]
  (tmp_path / "vocab.txt").write_text("\n".join(names))
  (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
  tokenizer = tokenizers.loaded((), place, path=str(tmp_path))
  assert tokenizer.ids(["Aspirin"])[0].tolist() == [1]


def test_a_saved_tokenizer_is_loaded_from_its_folder(
  tokenizer, place, tmp_path
):
  (tmp_path / "tokenizer.json").write_text(tokenizer.text)
  loaded = tokenizers.loaded((), place, path=str(tmp_path))
  assert loaded.sha256 == tokenizer.sha256


def test_what_a_file_says_of_cutting_and_padding_is_ignored(place, tmp_path):
  content = json.loads(tokenizers.wordpiece(TEXTS, place, vocabulary=400).text)
  content["truncation"] = {
    "direction": "Right", "max_length": 2, "strategy": "LongestFirst",
    "stride": 0,
  }  # fmt: skip
  assert len(tokenizers.Tokenizer(json.dumps(content)).ids(TEXTS)[0]) > 2


def test_a_tokenizer_is_configuration(place):
  config = bind(tokenizers.wordpiece, vocabulary=400)
  factory = build(from_json(to_json(config)))
  assert factory(TEXTS, place).vocabulary <= 400


@pytest.mark.parametrize(
  "name, content, said",
  [
    ("vocab.txt", "a\nb\n", "[PAD]"),
    ("vocab.txt", "[PAD]\n[UNK]\n[PAD]\n", "line 3"),
    ("tokenizer.json", '{"model": 3}', "not a tokenizer.json"),
    ("tokenizer.json", "not json", "not a tokenizer.json"),
    ("tokenizer.json", b"\xff\xfe", "UTF-8"),
  ],
)
def test_what_is_no_tokenizer_is_refused(place, tmp_path, name, content, said):
  content = content if isinstance(content, bytes) else content.encode()
  (tmp_path / name).write_bytes(content)
  with pytest.raises(UserError, match=said.replace("[", r"\[")) as caught:
    tokenizers.loaded((), place, path=name)
  assert name in str(caught.value) and "\n" not in str(caught.value)


def _byte_bpe_files(folder, merges=("a b", "ab c"), more=("ab", "abc")):
  """GPT-2's vocab.json and merges.txt of few tokens."""
  from tokenizers import pre_tokenizers

  tokens = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *more]
  ids = {token: index for index, token in enumerate(tokens)}
  (folder / "vocab.json").write_text(json.dumps(ids))
  (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]))
  return ids


def test_a_vocab_json_with_merges_is_read_as_gpt2_reads_it(place, tmp_path):
  ids = _byte_bpe_files(tmp_path)
  tokenizer = tokenizers.loaded((), place, path=str(tmp_path))
  said = [tokenizer.token(i) for i in tokenizer.ids(["abcab"])[0]]
  assert said == ["abc", "ab"]
  assert tokenizer.vocabulary == len(ids)


@pytest.mark.parametrize(
  "name, content, said",
  [
    ("vocab.json", "[]", "lack a unique number"),
    ("vocab.json", '{"a": 0, "b": 0}', "lack a unique number"),
    ("vocab.json", '{"a": 1e9}', "lack a unique number"),
    ("vocab.json", '{"a": 0}', "of the 256 bytes"),
    ("merges.txt", None, "merges.txt: no such file"),
    ("merges.txt", "a b c", "row 1"),
    ("merges.txt", "b a", "does not fit vocab.json"),
    ("merges.txt", b"\xff\xfe", "UTF-8"),
    ("added_tokens.json", '{"[NEW]": 258}', "1 tokens more"),
  ],
)
def test_damaged_files_of_gpt2_are_refused(
  place, tmp_path, name, content, said
):
  _byte_bpe_files(tmp_path)
  if content is None:
    (tmp_path / name).unlink()
  else:
    content = content if isinstance(content, bytes) else content.encode()
    (tmp_path / name).write_bytes(content)
  with pytest.raises(UserError, match=said) as caught:
    tokenizers.loaded((), place, path=str(tmp_path))
  assert name in str(caught.value) and "\n" not in str(caught.value)


def test_an_absent_file_is_refused(place):
  with pytest.raises(UserError, match="gone"):
    tokenizers.loaded((), place, path="gone.json")


def test_nothing_is_learnt_from_no_text(place):
  with pytest.raises(UserError, match="no text"):
    tokenizers.wordpiece(["", ""], place)


def test_marks_go_around_both_entities():
  text = "aspirin and warfarin"
  said = tokenizers.marked(text, (0, 7), (12, 20))
  assert " ".join(said.split()) == "<< aspirin >> and [[ warfarin ]]"


def test_marks_of_an_entity_within_another_lie_inside():
  said = tokenizers.marked("beta blocker", (0, 12), (0, 4))
  assert " ".join(said.split()) == "<< [[ beta ]] blocker >>"


def test_unmarked_takes_the_marks_away():
  assert tokenizers.unmarked("<< a >> b [[ c ]]") == "a b c"


def _spoiled(text, part, value):
  content = json.loads(text)
  content[part] = value
  return content


PANICS = {
  "a damaged table of characters": (
    "normalizer",
    {"type": "Precompiled", "precompiled_charsmap": "AAAA"},
    "Cannot parse precompiled_charsmap",
  ),
  "a table of eight gigabytes": (
    "normalizer",
    {"type": "Precompiled", "precompiled_charsmap": "/////w=="},
    "memory allocation of 8589934584 bytes failed",
  ),
  "an a that becomes a billion": (
    "normalizer",
    {
      "type": "Sequence",
      "normalizers": 4
      * [{"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 999}],
    },
    "memory|takes more than",
  ),
  "an a that becomes a thousand": (
    "normalizer",
    {"type": "Replace", "pattern": {"String": "a"}, "content": "a " * 999},
    "makes .* tokens of 1 letters",
  ),
  "pieces of no length": (
    "pre_tokenizer",
    {"type": "FixedLength", "length": 0},
    "non-zero",
  ),
  "a pattern without an end": (
    "pre_tokenizer",
    {
      "type": "Split",
      "pattern": {"Regex": "(a|a|aa)+$"},
      "behavior": "Isolated",
      "invert": False,
    },
    "retry-limit",
  ),
  "a pattern without an end of a number": (
    "pre_tokenizer",
    {
      "type": "Split",
      "pattern": {"Regex": r"^(\d|\d|\d\d)+$"},
      "behavior": "Isolated",
      "invert": False,
    },
    "retry-limit",
  ),
  "a prefix longer than its words": (
    "model",
    {
      "type": "BPE",
      "vocab": {"a": 0, "b": 1, "ab": 2},
      "merges": [["a", "b"]],
      "continuing_subword_prefix": "xxxxxxxx",
    },
    "out of range",
  ),
  "an id of four billions": (
    "model",
    {"type": "BPE", "vocab": {"a": 0, "b": 4 * 10**9}, "merges": []},
    "go up to 4000000000",
  ),
}


@pytest.mark.parametrize("fault", PANICS)
def test_a_tokenizer_that_panics_or_never_ends_is_one_line(
  fault, place, tmp_path, capfd
):
  part, value, message = PANICS[fault]
  content = _spoiled(tokenizers.wordpiece(TEXTS, place).text, part, value)
  path = tmp_path / "tokenizer.json"
  path.write_text(json.dumps(content))
  with pytest.raises(UserError, match=message) as caught:
    tokenizers.loaded((), place, path=str(path))
  assert str(caught.value).startswith(str(path))
  assert "\n" not in str(caught.value)
  assert capfd.readouterr().err == ""
