import pytest

from pipelines.arguments import acceleration_of
from pipelines.cli import build_parser
from transforms import acceleration
from transforms.acceleration import Acceleration

TRAIN = ["train", "logistic", "--warehouse", "w"]
NIGHTLY = ["nightly", "--warehouse", "w"]


@pytest.mark.parametrize("verb", [TRAIN, NIGHTLY])
@pytest.mark.parametrize(
    ("said", "gpus", "expected"),
    [
        ([], [], (False, False)),
        ([], ["GPU:0"], (True, True)),
        (["--mixed-precision"], [], (True, False)),
        (["--xla"], [], (False, True)),
        (["--no-xla"], ["GPU:0"], (True, False)),
        (["--no-mixed-precision"], ["GPU:0"], (False, True)),
    ],
)
def test_a_training_is_accelerated_as_said_or_where_there_is_a_gpu(
    verb, said, gpus, expected, monkeypatch
):
    monkeypatch.setattr(acceleration, "devices", lambda: gpus)
    assert acceleration_of(build_parser().parse_args([*verb, *said])) == Acceleration(*expected)


def test_an_accelerator_is_asked_for_only_when_it_is_named():
    hint = "type:nvidia-tesla-t4;count:1;install-nvidia-driver"
    assert build_parser().parse_args(NIGHTLY).accelerator is None
    for verb in (NIGHTLY, ["score", "all", "--warehouse", "w"]):
        assert build_parser().parse_args([*verb, "--accelerator", hint]).accelerator == hint


@pytest.mark.parametrize("hint", ["nvidia-l4", "type:nvidia-l4", "type:;count:1", "type:x;count:0"])
def test_an_accelerator_that_cannot_be_read_is_wrong_usage(hint, capsys):
    with pytest.raises(SystemExit, match="2"):
        build_parser().parse_args([*NIGHTLY, "--accelerator", hint])
    assert f"{hint!r} is no accelerator such as" in capsys.readouterr().err
