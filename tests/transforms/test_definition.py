import pytest

import model_defs
from transforms.definition import configured
from transforms.errors import UsageError


def test_settings_are_read_by_the_type_of_their_field():
    config = configured(
        model_defs.find("early_detection"), ["epochs=3", "learning_rate=0.5", "seed=7"]
    )
    assert (config.epochs, config.learning_rate, config.seed) == (3, 0.5, 7)
    assert configured(model_defs.find("treatment"), ["derive=false"]).derive is False
    default = model_defs.find("treatment").Config()
    assert configured(model_defs.find("treatment"), []) == default


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("epochs", "expected NAME=VALUE"),
        ("nothing=1", "early_detection has .*epochs"),
        ("epochs=many", "expected int"),
        ("members=0", "expected 1 or more"),
        ("size=8", "size must be at least 16"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused(setting, reason):
    with pytest.raises(UsageError, match=reason):
        configured(model_defs.find("early_detection"), [setting])
