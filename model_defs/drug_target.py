"""How strongly a compound binds a protein (pKd), for each pair of a compound and a target.

Whom and when: one example per row of `pairs`, and with `Config.grid` one per compound and target
of all that are known. `prediction_time` is `as_of`: a structure does not change, so all that is
known of it before then may be read.
From what: the SMILES of the compound, the amino acids of the target and (`Config.names`) its name,
which often alone tells a mutant or a phosphorylated form. Structures are given with the pair or
else those that `molecules` (SubstanceDefinition, MolecularSequence) or other pairs have under its
name: the latest, and of those of one moment the last by alphabet. A pair without either is no
example. Each distinct SMILES and sequence becomes fingerprints and descriptors once
(`_compounds`, `_proteins`), however many pairs it has.
Label: `affinity` of the pair. Rows of `pairs` and `molecules` known at or after `as_of` are not
read.
Splits: that of the pair's row, else by a hash of `Config.split_by`: the pair, its compound or its
target, by structure, so that what has two names stays together. Scores of pairs whose compound
and target were both trained on, with others, say little about a new compound: train with
`split_by=compound` to measure that.
How: a dense network for each of the two and one for what they have in common; the mean of
`members` of them.

References: Davis et al. 2011, https://doi.org/10.1038/nbt.1990; Öztürk et al. 2018, DeepDTA,
https://doi.org/10.1093/bioinformatics/bty593; Rogers & Hahn 2010,
https://doi.org/10.1021/ci100050t.
Intended use: to put compounds or targets in the order in which they are tried in the laboratory.
Not for: choosing or dosing a drug for a patient; mutants and families that the training data did
not have; binding without a measured Kd behind it (modes, kinetics, effect in the cell). Not a
medical device.
"""

import dataclasses
import datetime
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pyarrow as pa
import xxhash

from model_defs import _compounds, _proteins
from transforms.bucket_tables import Tables
from transforms.input_hash import mix64
from transforms.prediction_rows import Outputs, Predictions
from transforms.splits import SPLITS, split_index

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras

ENTITY = "pair"
CANNOT_USE = ("xla",)  # the network unpacks bytes, of a number of molecules that changes
FEATURES = pa.schema(
    [
        pa.field(
            "compound",
            pa.binary(),
            metadata={
                "unit": "bits, then levels from 0 to 255",
                "meaning": "fingerprints and descriptors of the compound, as `_compounds` says",
            },
        ),
        pa.field(
            "target",
            pa.binary(),
            metadata={
                "unit": "bits, then levels from 0 to 255",
                "meaning": "words and composition of the sequence, as `_proteins` says",
            },
        ),
    ]
)
LABEL = pa.field(
    "affinity",
    pa.float32(),
    metadata={"unit": "-log10(mol/l)", "meaning": "pKd, of the dissociation constant"},
)
SPLIT_SETTINGS = ("split_by",)
SPLIT_RULE = "as the pair's row says, else by Config.split_by: pair, compound or target"
SPLIT_BY = ("pair", "compound", "target")


@dataclasses.dataclass(frozen=True)
class Config:
    """Which pairs are examples, how they are split, how the network is built and trained.

    `grid`: every known compound with every known target, beside the given pairs. `split_by`: one
    of SPLIT_BY. `names`: whether the target's name is read beside its sequence. The learning rate
    falls along a cosine, over `decay_steps` batches, to a fiftieth.
    """

    seed: int = 0
    members: int = 3
    epochs: int = 20
    batch_size: int = 128
    patience: int = 8
    learning_rate: float = 1e-3
    decay_steps: int = 3_200
    width: int = 256
    dropout: float = 0.2
    grid: bool = False
    split_by: str = "pair"
    names: bool = True

    def __post_init__(self) -> None:
        if self.split_by not in SPLIT_BY:
            raise ValueError(f"split_by must be one of {', '.join(SPLIT_BY)}, not {self.split_by}")


DEFAULT = Config()
_PAIR = ["compound", "target"]


def gather(tables: Tables, as_of: datetime.datetime, config: Config = DEFAULT) -> Tables:
    """One bucket -> its pairs and molecules that were known before `as_of`."""
    del config
    known = pl.col("time").is_null() | (pl.col("time") < as_of)
    pairs = ("pair_id", "compound", "target", "smiles", "sequence", "affinity", "time", "split")
    molecules = ("molecule_id", "kind", "name", "smiles", "sequence", "time")
    return Tables(
        pairs=tables.pairs.filter(known).select(pairs),
        molecules=tables.molecules.filter(known).select(molecules),
    )


def examples(tables: Tables, as_of: datetime.datetime, config: Config = DEFAULT) -> pl.DataFrame:
    """Pairs known before `as_of`: keys, prediction_time, FEATURES, LABEL, split."""
    tables = gather(tables, as_of, config)
    compounds = _structures(tables, "compound", "smiles")
    targets = _structures(tables, "target", "sequence")
    pairs = tables.pairs.rename({"pair_id": "entity_id"})
    if config.grid:
        pairs = pl.concat([pairs, _rest_of_grid(pairs, compounds, targets)], how="diagonal")
    pairs = (
        pairs.join(compounds, on="compound", how="left")
        .join(targets, on="target", how="left")
        .with_columns(
            pl.coalesce("smiles", "compound_smiles").alias("smiles"),
            pl.coalesce("sequence", "target_sequence").alias("sequence"),
        )
        .drop_nulls(["smiles", "sequence"])
    )
    name = pl.col("target") if config.names else pl.lit("")
    pairs = pairs.with_columns(name=name).drop(_PAIR)
    compound = _encoded(pairs, ["smiles"], "compound", _compounds.encode_compound)
    target = _encoded(pairs, ["name", "sequence"], "target", _proteins.encode_protein)
    pairs = (
        pairs.join(compound, on=compound.columns[:-1])
        .join(target, on=target.columns[:-1])
        .sort("entity_id")
    )
    return pairs.select(
        pl.lit(None, pl.Int64).alias("subject_id"),
        "entity_id",
        pl.lit(as_of, pl.Datetime("us")).alias("prediction_time"),
        *FEATURES.names,
        LABEL.name,
        pl.coalesce("split", _split(pairs, config.split_by)).alias("split"),
    )


def _structures(tables: Tables, kind: str, column: str) -> pl.DataFrame:
    """-> `<kind>`, `<kind>_<column>`: name and structure of each known compound or target."""
    of_molecules = tables.molecules.filter(pl.col("kind") == kind).select(
        pl.col("name").alias(kind), column, "time", rank=pl.lit(1)
    )
    of_pairs = tables.pairs.select(kind, column, "time", rank=pl.lit(0))
    return (
        pl.concat([of_pairs, of_molecules])
        .drop_nulls(column)
        .sort(kind, "rank", "time", column, nulls_last=False)
        .unique(kind, keep="last", maintain_order=True)
        .select(kind, pl.col(column).alias(f"{kind}_{column}"))
    )


def _rest_of_grid(
    pairs: pl.DataFrame, compounds: pl.DataFrame, targets: pl.DataFrame
) -> pl.DataFrame:
    """Every compound with every target that is no given pair -> `entity_id, compound, target`.

    The id is 63 bits of a hash of the names without the site's key, so it stays the same until
    the pair is given. That it meets another id has a chance of some n^2 / 2^64 among n pairs.
    """
    cells = (
        compounds.select("compound", a=_hash(compounds["compound"]))
        .join(targets.select("target", b=_hash(targets["target"])), how="cross")
        .join(pairs, on=_PAIR, how="anti")
    )
    a, b = (cells[name].to_numpy().view(np.uint64) for name in ("a", "b"))
    mixed = mix64(mix64(a) ^ b) >> np.uint64(1)
    return cells.select(*_PAIR, entity_id=pl.Series(mixed.view(np.int64)))


def _hash(texts: pl.Series) -> pl.Series:
    """String or Binary -> 64 bits of XXH64 as Int64."""
    digests = [xxhash.xxh64_intdigest(text) for text in texts.cast(pl.Binary)]
    return pl.Series(np.array(digests, np.uint64).view(np.int64))


def _encoded(
    pairs: pl.DataFrame, columns: list[str], name: str, encode: Callable[..., bytes | None]
) -> pl.DataFrame:
    """Pairs -> the distinct rows of their `columns` that can be read, and their bytes (`name`)."""
    distinct = pairs.select(columns).unique().sort(columns)
    encoded = pl.Series(name, [encode(*texts) for texts in distinct.iter_rows()], pl.Binary)
    return distinct.with_columns(encoded).drop_nulls(name)


def _split(pairs: pl.DataFrame, split_by: str) -> pl.Series:
    """Rows -> 70 % train, 15 % tuning, 15 % held_out, by a hash of what `split_by` says."""
    if split_by == "pair":
        owner = pairs["entity_id"]
    elif split_by == "compound":
        owner = _hash(pairs["compound"])  # its bytes: however its SMILES is written
    else:
        owner = _hash(pairs["sequence"].str.to_uppercase())
    index = split_index(owner.to_numpy())
    return pl.Series(np.array(SPLITS, dtype=object)[index], dtype=pl.String)


def preprocessing_fn(inputs: dict[str, "tf.Tensor"]) -> dict[str, "tf.Tensor"]:
    """Molecules as they are: bytes stay small in TFRecords, and the network unpacks them."""
    return {name: inputs[name] for name in FEATURES.names}


def build_model(config: Config) -> "tf_keras.Model":
    """A tower for compounds, one for targets, and a head. Output `affinity`: pKd (n,)."""
    import tensorflow as tf
    import tf_keras

    from model_defs._pair_layers import DistinctMolecules, OfEachPair

    tf_keras.utils.set_random_seed(config.seed)
    layers = tf_keras.layers

    def dropped(found: "tf.Tensor", share: float, name: str) -> "tf.Tensor":
        return layers.Dropout(share, name=f"{name}_dropout")(found)

    def tower(name: str, segments: tuple[int, ...], levels: int) -> tuple["tf.Tensor", "tf.Tensor"]:
        encoded = layers.Input((), name=name, dtype=tf.string)
        unpack = DistinctMolecules(segments, levels, name=f"{name}_distinct", dtype="float32")
        found, index = unpack(encoded)
        found = dropped(found, config.dropout / 2, f"{name}_input")
        for step in ("1", "2"):
            found = layers.Dense(config.width, name=f"{name}_dense{step}")(found)
            # Over the distinct molecules of a batch. Without it all related proteins look alike.
            found = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm{step}")(found)
            found = layers.ReLU(name=f"{name}_relu{step}")(found)
            if step == "1":
                found = dropped(found, config.dropout, name)
        return encoded, OfEachPair(name=f"{name}_of_pair")((found, index))

    compound, of_compound = tower("compound", _compounds.SEGMENTS, _compounds.LEVELS)
    target, of_target = tower("target", _proteins.SEGMENTS, _proteins.LEVELS)
    together = layers.Multiply(name="interaction")([of_compound, of_target])
    found = layers.Concatenate(name="pair")([of_compound, of_target, together])
    for step, width in (("1", 2 * config.width), ("2", config.width)):
        found = layers.Dense(width, activation="relu", name=f"pair_dense{step}")(found)
        found = dropped(found, config.dropout, f"pair{step}")
    # Starts at about the pKd of the weak binding that most pairs show.
    weak = tf_keras.initializers.Constant(5.5)
    affinity = layers.Dense(1, bias_initializer=weak, name="pkd", dtype="float32")(found)
    model = tf_keras.Model(
        inputs={"compound": compound, "target": target},
        outputs={LABEL.name: layers.Reshape((), name=LABEL.name, dtype="float32")(affinity)},
        name="drug_target",
    )
    rate = tf_keras.optimizers.schedules.CosineDecay(
        config.learning_rate, config.decay_steps, alpha=0.02
    )
    model.compile(
        optimizer=tf_keras.optimizers.Adam(rate),
        loss={LABEL.name: tf_keras.losses.MeanSquaredError()},
    )
    return model


def to_predictions(outputs: Outputs, config: Config = DEFAULT) -> Predictions:
    """PKd -> score. The interval is the engine's, from the residuals on the tuning split."""
    del config
    return Predictions(score=np.asarray(outputs.values[LABEL.name], np.float32).reshape(-1))
