"""What tests of a user's files share."""

import pytest

from medfm.types import UserError


@pytest.fixture
def fault(table):
  """The one-line message of a mistake in a table or its settings."""

  def message(*args, **settings):
    with pytest.raises(UserError) as caught:
      table(*args, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)

  return message
