'''Model definitions, one module each, found by file name.

A module of this package whose name has no leading underscore is a model. It states:

```python
"""What it predicts, for whom, when, from what; reference; intended use and limits."""

ENTITY: str                 # "encounter", "study", "patient", …
FEATURES: pa.Schema         # raw features; each field's metadata: {"unit": …, "meaning": …}
LABEL: pa.Field             # bool: two classes; string: any number; float32: a quantity;
                            # or a function of the Config that gives one

@dataclasses.dataclass(frozen=True)
class Config:               # all with defaults; for Keras also epochs, batch_size, patience
    seed: int = 0

def examples(tables: Tables, as_of: datetime, config: Config = DEFAULT) -> pl.DataFrame
def preprocessing_fn(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]      # TF Transform
def build_model(config: Config) -> tf_keras.Model | ydf.GenericLearner
def to_predictions(outputs: Outputs, config: Config = DEFAULT) -> Predictions

# What it may state besides:
def gather(tables: Tables, as_of: datetime, config: Config) -> Tables
def to_extractions(batch: pa.RecordBatch, outputs: Outputs, config: Config) -> pl.DataFrame
SLICES: tuple[str, ...]     # features by whose values measures are reported too
SPLIT_RULE: str             # how `split` was chosen, for the model card: "by time: …"
SPLIT_SETTINGS: tuple[str, ...]     # fields of Config that decide it: the gate compares no others
CANNOT_USE: tuple[str, ...]         # of "mixed_precision" and "xla": what training goes without
```

`examples` is pure, deterministic and vectorised over the subjects of one bucket
(`transforms.bucket_tables.Tables`). Its columns: `subject_id` (null: about no patient), `entity_id`
(int64), `prediction_time` (Datetime us, UTC without zone), those of FEATURES, LABEL, and where it
has them:

- `target_time`: the moment that the prediction is about. No two examples share all four keys.
- `split`: train, tuning, held_out, or null for none of them. Without it the split follows from a
  hash of the subject (of the entity, where there is none).

With `gather`, examples need rows of other buckets: it reduces the tables of one bucket to what they
need, and `examples` is called once, with the rows of all.
It returns the examples with `prediction_time <= as_of` and reads nothing known at or after `as_of`.
The features of an example come only from rows with `time < prediction_time` (or without a time,
which say what never changes); its label may read up to `as_of`, and is null where it is not known
yet. A row of `tables.labels` decides over a derived label. The order of the rows of the tables
makes no difference. `as_of` is UTC without zone, as the times of the tables are.

FEATURES may be float32 (null: missing, reaches the graph as NaN), int64 (never null), string
(null becomes ""), binary (null becomes b"") and fixed-size lists of float32 or int64 (never null).
In `preprocessing_fn` each is a dense tensor, shape (n,), or (n, size) for a list. What it returns
is dense too and is all the estimator sees. Each analyzer of TFT costs start-up time, so stack
columns first: `tft.scale_to_z_score(tf.stack(columns, 1), elementwise=True)` is one analyzer for
any number of them, and leaves NaN out of mean and variance. A vocabulary is made by
`transforms.vocabulary.vocabulary_ids`, which counts patients; `inputs[PATIENT]` is whose a row is.

`build_model` of a Keras model returns it compiled. Its inputs are a dict named as the outputs of
`preprocessing_fn`, its outputs a dict; the one named `LABEL.name` is trained against the label
(bool as 0.0 or 1.0, a string as the index of its class, float32 as it is), so `compile` takes
`loss={LABEL.name: …}`. An output `contributions`, shape (n, len(FEATURES)), in the order of
FEATURES, becomes `drivers`. A Config with a field `classes: tuple[str, ...] = ()` receives the
classes found in training (sorted) through that field; a field `min_delta` says how much less the
loss on the tuning split must be to count as better. With a field `members` above 1 as many models
are trained, with the seeds `seed`, `seed + 1`, …, and the mean of their outputs is the model: an
output can be anything that has a mean. Where there is a GPU, it is
trained with layers in float16 (`mixed_precision`) and its steps compiled by XLA, but for what
`CANNOT_USE` names. In mixed precision losses, outputs and own layers need float32: such a layer is
built with `dtype="float32"`; `tf` operations between layers follow the dtype of what they get. XLA
takes no text, and compiles anew for each shape. A `ydf` learner is built with
`label=LABEL.name` and sees the outputs of `preprocessing_fn` as columns.

`to_predictions` (`transforms.prediction_rows`: Outputs, Predictions) gets numpy arrays: `values`
by output name, `classes` of a string label; what the tuning split told, such as the calibration
of probabilities and the cut that decides, is applied or given beside them. For a forest
`values[LABEL.name]` has shape (n,) for a bool label (probability of true), (n, classes) for a
string label, (n,) for a quantity. `values` never hold `contributions`: those have become drivers
before. Where it gives no interval the engine does, for a quantity (90 %, from the residuals of
the tuning split) and for two classes of an ensemble (what its members say at least and at most).

`to_extractions` gets keys and features as they were scored (text may be dictionary-encoded), and
gives rows of schemas.EXTRACTIONS without `model`, `run_date`, `model_version`, `run_id` and
`entity_type`.

TensorFlow, TFT, Keras and ydf are imported inside the functions that need them, so that finding
a model costs nothing.
'''

import importlib
import pkgutil
from typing import cast

from transforms.definition import Definition
from transforms.errors import UsageError


def names() -> list[str]:
    """Names of all models, sorted; imports none of them.

    >>> "early_detection" in names()
    True
    """
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def find(name: str) -> Definition:
    """The module of one model.

    Raises: UsageError, when there is none of that name.

    >>> find("early_detection").ENTITY
    'study'
    """
    known = names()
    if name not in known:
        raise UsageError(f"no model is called {name!r}; there are: {', '.join(known)}")
    return cast(Definition, importlib.import_module(f"{__name__}.{name}"))
