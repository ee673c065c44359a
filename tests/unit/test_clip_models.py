"""The dimension of every CLIP model that Immich knows, and whose word counts about which model it is."""

from fnmatch import fnmatchcase
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shown import Shown

from migrator.catalog import Observed
from migrator.sandbox.immich_sql import MODEL_OF_DIMENSION
from steps.shared.clip_models import DIMENSIONS, configured, dimension_of_model, expand
from steps.shared.options import Options, SettingsFile

UNREAD = SettingsFile("/config/immich.yaml", problem="is YAML, which is not read here")

KNOWN = {
    "RN101__openai": 512,
    "RN101__yfcc15m": 512,
    "ViT-B-16__laion400m_e31": 512,
    "ViT-B-16__openai": 512,
    "ViT-B-32__laion2b-s34b-b79k": 512,
    "XLM-Roberta-Large-Vit-B-32": 512,
    "RN50x4__openai": 640,
    "ViT-B-16-plus-240__laion400m_e32": 640,
    "XLM-Roberta-Large-Vit-B-16Plus": 640,
    "LABSE-Vit-L-14": 768,
    "ViT-B-16-SigLIP__webli": 768,
    "ViT-B-16-SigLIP-i18n-256__webli": 768,
    "ViT-B-16-SigLIP2__webli": 768,
    "ViT-B-32-SigLIP2-256__webli": 768,
    "ViT-L-14__openai": 768,
    "ViT-L-14-quickgelu__dfn2b": 768,
    "ViT-L-14-336__openai": 768,
    "nllb-clip-base-siglip__v1": 768,
    "RN50__cc12m": 1024,
    "RN50x64__openai": 1024,
    "ViT-H-14-378-quickgelu__dfn5b": 1024,
    "ViT-L-16-SigLIP2-512__webli": 1024,
    "XLM-Roberta-Large-ViT-H-14__frozen_laion5b_s13b_b90k": 1024,
    "ViT-SO400M-16-SigLIP2-384__webli": 1152,
    "nllb-clip-large-siglip__mrl": 1152,
    "ViT-gopt-16-SigLIP2-256__webli": 1536,
}


@pytest.mark.parametrize(("name", "dimension"), {**KNOWN, **{m: d for d, m in MODEL_OF_DIMENSION.items()}}.items())
def test_a_models_dimension_is_known(name: str, dimension: int) -> None:
    """Each family of the table answers with its dimension."""
    assert dimension_of_model(name) == dimension


def test_no_model_has_two_dimensions() -> None:
    """No name that one pattern matches is matched by a pattern of another dimension."""
    for dimension, patterns in DIMENSIONS.items():
        for name in chain.from_iterable(expand(pattern.replace("*", "x")) for pattern in patterns):
            matching = {
                other for other, theirs in DIMENSIONS.items() for p in theirs for e in expand(p) if fnmatchcase(name, e)
            }
            assert matching == {dimension}, name


@pytest.mark.parametrize("name", ["immich-app/ViT-L-14__openai", "M-CLIP/LABSE-Vit-L-14"])
def test_a_name_with_its_publisher_is_the_same_model(name: str) -> None:
    """Immich looks only at what follows the last slash."""
    assert dimension_of_model(name) == 768


@pytest.mark.parametrize(
    "name", ["", "ViT-B-32", "ViT-B-16-SigLIP-1024__webli", "ViT-L-16-SigLIP-512__webli", "buffalo_l"]
)
def test_a_model_that_nobody_knows_has_no_dimension(name: str) -> None:
    """A near miss is no hit: an unknown dimension never becomes a guess."""
    assert dimension_of_model(name) is None


@given(st.text(max_size=40))
def test_any_text_is_a_model_or_none(name: str) -> None:
    """What somebody wrote into the settings cannot break the check, and means one of the six dimensions or none."""
    assert dimension_of_model(name) in {None, *DIMENSIONS}


def saying(*values: str | None) -> Shown:
    """Return a server whose settings of Immich say this: model, machine learning on, smart search on."""
    return Shown(observed={"model": Observed(rows=(values,))})


def test_the_settings_name_the_model() -> None:
    """The row in the database counts as long as nothing speaks against it."""
    model = configured(saying("ViT-L-14__openai", "true", None).catalog(), Options())
    assert model is not None
    assert (model.name, model.dimension) == ("ViT-L-14__openai", 768)


@pytest.mark.parametrize("shown", [saying(None, None, None), Shown(observed={"model": Observed()})])
def test_without_a_word_it_is_immichs_default(shown: Shown) -> None:
    """A row without a model, or no row at all: the default, of 512 dimensions."""
    model = configured(shown.catalog(), Options())
    assert model is not None
    assert (model.name, model.dimension) == ("ViT-B-32__openai", 512)


@pytest.mark.parametrize("off", [("false", None), (None, "false")])
def test_without_smart_search_nothing_is_compared(off: tuple[str | None, str | None]) -> None:
    """Immich looks at the dimension only where machine learning and smart search are on."""
    assert configured(saying("ViT-L-14__openai", *off).catalog(), Options()) is None


@pytest.mark.parametrize("shown", [Shown(), Shown(observed={"model": Observed(sqlstate="42501", message="denied")})])
def test_settings_that_cannot_be_read_are_no_default(shown: Shown) -> None:
    """Not being able to look is not the same as finding nothing."""
    assert configured(shown.catalog(), Options()) is None


def test_a_file_of_settings_outweighs_the_database() -> None:
    """With IMMICH_CONFIG_FILE the row says nothing; what a person says counts over both."""
    catalog = saying("ViT-L-14__openai", None, None).catalog()
    assert configured(catalog, Options(settings_file=UNREAD)) is None
    told = configured(catalog, Options(settings_file=UNREAD, clip_model="ViT-H-14__laion2b-s32b-b79k"))
    assert told is not None
    assert told.dimension == 1024
    assert configured(catalog, Options(clip_model="off")) is None
    read = configured(
        catalog, Options(settings_file=SettingsFile("/config/immich.json", "ViT-SO400M-14-SigLIP__webli"))
    )
    assert read is not None
    assert read.dimension == 1152
    assert configured(catalog, Options(settings_file=SettingsFile("/x.json", smart_search=False))) is None
    silent = configured(catalog, Options(settings_file=SettingsFile("/x.json")))
    assert silent is not None
    assert silent.name == "ViT-B-32__openai", "a file that names no model means Immich's default, whatever the row says"
