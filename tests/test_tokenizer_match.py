"""Weights start a run only where their tokens are the run's tokens."""

import json

import pytest

from medfm import settings, spec, study, workdir
from medfm.types import UserError
from tests import infos

INFO = infos.info("corpus", "none", vocabulary=9, tokenizer="a" * 64)


def weights(source, info):
  start = settings.Start(weights=str(source))
  run = settings.Run(data=None, objective=None, start=start)
  return study._start_weights(source, run, {}, info)


@pytest.fixture
def source(tmp_path):
  text = json.dumps(spec.plain(INFO))
  (tmp_path / "info.json").write_text(text)
  return tmp_path


def test_another_tokenizer_is_refused(source):
  other = infos.info("mine", "none", vocabulary=9, tokenizer="b" * 64)
  with pytest.raises(UserError, match="aaaaaaaaaaaa, mine has bbbb"):
    weights(source, other)


def test_the_same_tokenizer_and_none_at_all_are_accepted(source):
  for info in (INFO, infos.info("corpus", "none", vocabulary=9)):
    assert weights(source, info)


def test_info_is_read_back_as_it_was(source):
  assert workdir.info(source) == INFO
