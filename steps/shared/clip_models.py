"""The CLIP model that Immich is set to, and the dimension of its embeddings.

When it starts, Immich compares its model's dimension with that of `smart_search`; where they differ it deletes every
row, and computes nothing again by itself. So the two are compared here before anything is converted.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import product

from psycopg.sql import SQL, Composed, Identifier, Literal

from migrator.catalog import Catalog
from migrator.step import Blocker, Facts
from steps.shared.names import SMART_SEARCH
from steps.shared.options import Options, with_dimensions
from steps.shared.state import column_of, dimension_of, rows_of

DEFAULT_MODEL = "ViT-B-32__openai"
OFF = "off"

DIMENSIONS = {
    512: (
        "RN101__*",
        "ViT-B-16__{laion400m_e31,laion400m_e32,openai}",
        "ViT-B-32__*",
        "XLM-Roberta-Base-ViT-B-32__laion5b_s13b_b90k",
        "XLM-Roberta-Large-Vit-B-32",
    ),
    640: ("RN50x4__openai", "ViT-B-16-plus-240__*", "XLM-Roberta-Large-Vit-B-16Plus"),
    768: (
        "LABSE-Vit-L-14",
        "RN50x16__openai",
        "ViT-B-16-SigLIP{,-256,-384,-512,-i18n-256}__webli",
        "ViT-B-16-SigLIP2__webli",
        "ViT-B-32-SigLIP2-256__webli",
        "ViT-L-14*__*",
        "XLM-Roberta-Large-Vit-L-14",
        "nllb-clip-base-siglip__{mrl,v1}",
    ),
    1024: (
        "RN50__*",
        "RN50x64__openai",
        "ViT-H-14*",
        "ViT-g-14__laion2b-s12b-b42k",
        "ViT-L-16-SigLIP-{256,384}__webli",
        "ViT-L-16-SigLIP2-{256,384,512}__webli",
        "XLM-Roberta-Large-ViT-H-14__frozen_laion5b_s13b_b90k",
    ),
    1152: ("ViT-SO400M-*-SigLIP*__webli", "nllb-clip-large-siglip__{mrl,v1}"),
    1536: ("ViT-gopt-16-SigLIP2-{256,384}__webli",),
}
"""Immich's models by dimension; `*` stands for any text, braces for alternatives."""


@dataclass(frozen=True, slots=True)
class Model:
    """The model that Immich will start with; `row` tells whether the settings name it, or only imply it."""

    name: str
    dimension: int | None
    row: bool


def expand(pattern: str) -> list[str]:
    """Write out the alternatives in braces; what is left in a pattern are asterisks."""
    head, brace, rest = pattern.partition("{")
    if not brace:
        return [pattern]
    middle, _, tail = rest.partition("}")
    return [f"{head}{one}{end}" for one, end in product(middle.split(","), expand(tail))]


def dimension_of_model(name: str) -> int | None:
    """Return the dimension of a model by its name, as Immich cleans it; None for one that is not in the table."""
    clean = name.rsplit("/", 1)[-1].replace(":", "_")
    return next(
        (
            dimension
            for dimension, patterns in DIMENSIONS.items()
            for pattern in patterns
            if any(fnmatchcase(clean, one) for one in expand(pattern))
        ),
        None,
    )


def configured(catalog: Catalog, options: Options) -> Model | None:
    """Return the model that Immich will start with; None where smart search is off, or nobody can tell."""
    if options.clip_model is not None:
        named = options.clip_model
        return None if named == OFF else Model(named, dimension_of_model(named), row=False)
    if (file := options.settings_file) is not None:
        if file.problem is not None or not file.smart_search:
            return None
        named = file.clip_model or DEFAULT_MODEL
        return Model(named, dimension_of_model(named), row=False)
    settings = catalog.observed.get("model")
    if settings is None or settings.message is not None:
        return None
    name, learning, clip = settings.rows[0] if settings.rows else (None, None, None)
    if "false" in (learning, clip):
        return None
    model = name or DEFAULT_MODEL
    return Model(model, dimension_of_model(model), row=bool(settings.rows))


def model_blockers(catalog: Catalog, facts: Facts, options: Options) -> tuple[Blocker, ...]:
    """Return what keeps the embeddings from surviving Immich's next start: a model of another dimension."""
    if (broken := _broken_file(catalog, options)) is not None:
        return (broken,)
    model, dimension = (
        configured(catalog, options),
        dimension_of(catalog, with_dimensions(facts, options), SMART_SEARCH),
    )
    rows = rows_of(catalog, SMART_SEARCH)
    if model is None or model.dimension is None or dimension is None or model.dimension == dimension or rows == 0:
        return ()
    examples = ", ".join(_examples(dimension))
    which = f"such as {examples}" if examples else "which no model known here has"
    return (
        Blocker(
            what="CLIP model of smart search",
            found=f"Immich is set to {model.name}, of {model.dimension} dimensions; the embeddings have {dimension}",
            wanted=f"the model that computed them, of {dimension} dimensions ({which}): at its next start Immich "
            "would delete every row of smart_search and compute none of them again",
            fix=_ways(catalog, model, options),
        ),
    )


def _broken_file(catalog: Catalog, options: Options) -> Blocker | None:
    """Return what is wrong with a file of settings that Immich could not read; None where nobody needs it."""
    file = options.settings_file
    if options.clip_model is not None or file is None or not file.broken or rows_of(catalog, SMART_SEARCH) == 0:
        return None
    return Blocker(
        what="Immich's settings file (IMMICH_CONFIG_FILE)",
        found=f"{file.place} {file.problem}",
        wanted="one that Immich can read: its CLIP model decides whether Immich keeps the rows of smart_search",
        fix=("mend the file, or say what Immich uses: --clip-model NAME, or --clip-model off",),
    )


def _ways(catalog: Catalog, model: Model, options: Options) -> tuple[str, ...]:
    if options.settings_file is not None:
        return (
            f"with Immich stopped, in {options.settings_file.place}:",
            '"machineLearning": {"clip": {"modelName": "MODEL"}}, with everything else as it is',
        )
    return (
        "with Immich stopped, and not on its settings page,",
        "which deletes the embeddings when the model is changed:",
        f"{_set_model(catalog, model).as_string(None)};",
        "where Immich has its settings from a file (IMMICH_CONFIG_FILE): add --clip-model NAME, as it says",
    )


def model_warnings(catalog: Catalog, facts: Facts, options: Options) -> list[str]:
    """Return a sentence about a model that does not fit, that nobody here knows, or whose settings nobody sees."""
    wrong = model_blockers(catalog, facts, options)
    if broken := _broken_file(catalog, options):
        return [f"{broken.found}: Immich could not start with it, and its CLIP model was not checked"]
    if wrong:
        return [f"{blocker.found}: as it is, Immich would empty smart_search at its next start" for blocker in wrong]
    file = options.settings_file
    if options.clip_model is None and file is not None and file.problem is not None:
        doubt = "what its database says of the CLIP model does not count, so it was not checked"
        where = f"{file.place} (IMMICH_CONFIG_FILE), which {file.problem}"
        return [f"Immich has its settings from {where}; {doubt}: name it with --clip-model NAME"]
    model = configured(catalog, options)
    if model is None or model.dimension is not None:
        return []
    return [f"CLIP model {model.name} is not known here, so its dimension was not compared with the column's"]


def _examples(dimension: int) -> list[str]:
    default = [DEFAULT_MODEL] if dimension_of_model(DEFAULT_MODEL) == dimension else []
    patterns = DIMENSIONS.get(dimension, ())
    return [*default, *(one for pattern in patterns for one in expand(pattern) if "*" not in one)][:3]


def _set_model(catalog: Catalog, model: Model) -> Composed:
    column = column_of(catalog, SMART_SEARCH)
    table = Identifier(column.schema if column else "public", "system_metadata")
    clip = SQL("jsonb_build_object('clip', {} || jsonb_build_object('modelName', {}))")
    name = Literal("MODEL")
    if not model.row:
        value = clip.format(SQL("'{}'::jsonb"), name)
        return SQL(
            "INSERT INTO {} (key, value) VALUES ('system-config', jsonb_build_object('machineLearning', {}))"
        ).format(table, value)
    value = clip.format(SQL("coalesce(value #> '{machineLearning,clip}', '{}')"), name)
    return SQL(
        "UPDATE {} SET value = value || jsonb_build_object('machineLearning', "
        "coalesce(value -> 'machineLearning', '{{}}') || {}) WHERE key = 'system-config'"
    ).format(table, value)
