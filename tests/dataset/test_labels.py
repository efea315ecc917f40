"""What labels are as classes: by name where both sides have names, by number where not."""

import pytest

from kviz.dataset.labels import Labels
from kviz.errors import OptionError

PETS = ("cat", "dog", "owl")


@pytest.mark.parametrize(
    ("labels", "given", "wanted"),
    [
        (Labels(PETS, 3), ["Dog", "owls", "2", 2, 3, -1, None, ""], [1, -1, 2, 2, -1, -1, -1, -1]),
        # Numbers count in the source's names, which are the model's in another order, or some of them.
        (Labels(PETS, 3, ("owl", "cat", "dog")), [0, 1, 2, 3, "owl"], [2, 0, 1, -1, 2]),
        (Labels(PETS, 3, ("owl", "cat")), [0, 1, 2], [2, 0, -1]),
        (Labels(PETS, 3, ("owl", "cow")), [0, 1], [2, -1]),
        # Names that are none of the model's, as many as it has classes: the same in other words.
        (Labels(PETS, 3, ("Katze", "Hund", "Eule")), [0, 2, "Hund"], [0, 2, -1]),
        (Labels(PETS, 3, ("Katze", "Hund")), [0, 1], [-1, -1]),
        # The model has no names.
        (Labels(None, 3, ("a", "b", "c")), ["c", "A", 1], [2, 0, 1]),
        (Labels(None, 4, ("a", "b", "c")), ["c", 1], [-1, 1]),
        (Labels(), [7, "7", "cat"], [7, 7, -1]),
    ],
)
def test_a_label_is_the_class_it_means(labels, given, wanted):
    assert [labels.index(one) for one in given] == wanted


def test_what_is_no_class_says_what_would_be():
    with pytest.raises(
        OptionError, match=r"'cow' is no class .* index from 0 to 2, or a name .*'cat'"
    ):
        Labels(PETS, 3).validate_fit("cow")
    with pytest.raises(OptionError, match="the source has none"):
        Labels(PETS, 3).validate_fit(None)
    Labels(PETS, 3).validate_fit("owl")
