"""Biomedical entities in IOB2: BC5CDR, BC2GM and LINNAEUS, official splits.

As tokenised by Crichton et al., "A neural network multi-task learning approach
to biomedical named entity recognition" (2017): one word and its tag per line.
"""

from typing import Any

from medfm.data.text import own_iob, text_files, texts
from medfm.spec import forwards
from medfm.tasks import tags as tags_task
from medfm.types import Dataset, Folders, UserError

_URL = "https://github.com/cambridgeltl/MTL-Bioinformatics-2016"
_FILES = {"train": "train.tsv", "validation": "devel.tsv", "test": "test.tsv"}
_TOKENISED = (
  "Tokenised by Crichton et al., BMC Bioinformatics 18:368 (2017); sentences "
  "without the article they are of."
)
_BC5CDR = {
  "source": "BioCreative V CDR",
  "licence": "CC BY 4.0",
  "citation": "Li et al.: BioCreative V CDR task corpus: a resource for "
  "chemical disease relation extraction. Database (2016)",
  "notes": [_TOKENISED, "Official 500/500/500-article split."],
  "application": "target discovery and drug safety: chemicals and diseases in "
  "literature",
  "published": "strict F1, chemicals / diseases: BERT-base .900 / .799, "
  "BioBERT .929 / .847, PubMedBERT .933 / .856; both at once: SciBERT .900 "
  "(all but the first pre-trained on a million papers or more)",
}
_BC2GM = {
  "source": "BioCreative II gene mention",
  "licence": "CC BY 4.0",
  "citation": "Smith et al.: Overview of BioCreative II gene mention "
  "recognition. Genome Biology 9:S2 (2008)",
  "notes": [_TOKENISED],
  "application": "target discovery: genes and proteins in literature",
  "published": "strict F1: PubMedBERT .845, BioBERT .847 (pre-trained on "
  "millions of abstracts)",
}
_LINNAEUS = {
  "source": "LINNAEUS species",
  "licence": "CC BY 4.0",
  "citation": "Gerner et al.: LINNAEUS: a species name identification system "
  "for biomedical literature. BMC Bioinformatics 11:85 (2010)",
  "notes": [_TOKENISED],
  "application": "target discovery: which species a finding is of",
  "published": "strict F1: BioBERT .882 (pre-trained on millions of abstracts)",
}
_CORPORA = {
  "bc5cdr": ("bc5cdr_ner.zip", "BC5CDR-IOB", _BC5CDR),
  "bc5cdr_chemical": ("bc5cdr_ner.zip", "BC5CDR-chem-IOB", _BC5CDR),
  "bc5cdr_disease": ("bc5cdr_ner.zip", "BC5CDR-disease-IOB", _BC5CDR),
  "bc2gm": ("bc2gm_linnaeus_ner.zip", "BC2GM-IOB", _BC2GM),
  "linnaeus": ("bc2gm_linnaeus_ner.zip", "linnaeus-IOB", _LINNAEUS),
}


class IOB(texts.Builder, skip_registration=True):
  """Sentences of a folder with train, devel and test.tsv."""

  def rows(self) -> texts.Rows:
    parts = {
      part: text_files.iob(self.raw / name) for part, name in _FILES.items()
    }
    return own_iob.rows(parts)


_SETS = {
  name: texts.public(
    IOB,
    archive,
    folder,
    name=name,
    url=_URL,
    card=card,
    target=tags_task.fitted,
    length=128,
    encode=own_iob.encoded,
  )
  for name, (archive, folder, card) in _CORPORA.items()
}
bc2gm, linnaeus = _SETS["bc2gm"][0], _SETS["linnaeus"][0]
"""Genes and proteins; species."""


@forwards(bc2gm)
def bc5cdr(
  folders: Folders, *, types: str = "both", **settings: Any
) -> Dataset:
  """Chemicals and diseases; types: "both", "chemical" or "disease"."""
  if types not in ("both", "chemical", "disease"):
    raise UserError(f"types={types!r}: expected both, chemical or disease")
  name = "bc5cdr" if types == "both" else f"bc5cdr_{types}"
  return _SETS[name][0](folders, **settings)


def source(folders: Folders, name: str) -> texts.Source:
  """The sentences of one corpus, and its card."""
  return _SETS[name][1](folders)
