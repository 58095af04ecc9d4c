"""The study of lesson 06: its variants are alike but for their semantics."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from vividpast_lib.cli.main import _parser, main
from vividpast_lib.course.ablation.study import (
    VIEWS,
    AblationTask,
    SegmentedPhotos,
    open_study_photos,
    other_photos,
    run_study,
    settings_of,
    study_summary,
)
from vividpast_lib.course.ablation.variants import PLANS, SEEDS, VARIANTS, StudyNetwork
from vividpast_lib.networks.colornet_2018 import ColorAutoencoder, FusionColorizer
from vividpast_lib.training.run_folder import read_history

CPU = torch.device("cpu")
SIZE = 32
FEATURE_VARIANTS = [
    variant for variant in VARIANTS.values() if variant.semantic_input == "features"
]


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make 12 training and 6 validation photos, each of its own colours, with a teacher's maps."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    names = [f"{index:02d}.png" for index in range(18)]
    for name in names:
        patches = Image.fromarray(random.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        patches.resize((48, 48), Image.Resampling.NEAREST).save(folder / name)
    splits = ["train"] * 12 + ["val"] * 6
    rows = [f"{name},{split}" for name, split in zip(names, splits, strict=True)]
    (folder / "manifest.csv").write_text("\n".join(["file,split", *rows]))
    maps = np.zeros((18, 65, 65), np.uint8)
    maps[:, :33] = np.arange(18)[:, None, None] + 1  # above: a class for each photo; below: none
    np.savez(folder / "voc21_teacher.npz", files=names, labels=maps)
    return str(folder)


@pytest.fixture(scope="module")
def seen(folder: str) -> tuple[SegmentedPhotos, SegmentedPhotos]:
    train, val = open_study_photos(folder, 500)
    return SegmentedPhotos(train, SIZE, CPU, VIEWS), SegmentedPhotos(val, SIZE, CPU)


def task_of(
    name: str, seen: tuple[SegmentedPhotos, SegmentedPhotos], seed: int = 0
) -> AblationTask:
    variant = VARIANTS[name]
    task = AblationTask(variant, *seen, settings_of(variant, seed, SIZE, 2, 1, "float32"), CPU)
    task.apply_statistics(task.compute_statistics())
    return task


def semantics_of(task: AblationTask) -> list[Tensor]:
    return task.semantics[task.train]


def inputs_of(name: str) -> tuple[Tensor, ...]:
    variant = VARIANTS[name]
    if variant.semantic_input == "features":
        shapes = [(2, channels, side, side) for channels, side in ((40, 4), (112, 2), (320, 1))]
        return tuple(torch.randn(shapes[scale]) for scale in variant.scales)
    return (torch.randn(2, 21, 4, 4),) if variant.semantic_input else ()


def test_the_ladder_and_its_controls_are_there() -> None:
    assert sorted(
        variant.step for variant in VARIANTS.values() if variant.step != "control"
    ) == list("0123456")
    controls = {variant.source for variant in VARIANTS.values() if variant.step == "control"}
    assert controls == {"shuffled", "constant", "teacher"}
    # A control must have the very network of the variant that it is compared with.
    for control, variant in (
        ("shuffled", "logits"),
        ("constant", "logits"),
        ("teacher", "one-hot"),
        ("shuffled-scales", "scales"),
    ):
        assert (VARIANTS[control].semantic_input, VARIANTS[control].scales) == (
            VARIANTS[variant].semantic_input,
            VARIANTS[variant].scales,
        )
        assert not VARIANTS[control].regularized


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=lambda variant: variant.name)
def test_all_variants_are_of_one_size(variant) -> None:
    count = sum(p.numel() for p in StudyNetwork(variant).parameters())
    assert count == pytest.approx(381_296, rel=0.02)


def test_networks_are_those_of_2018() -> None:
    """What is computed in another order, for speed, must give the same colours."""
    lightness, maps = torch.rand(2, 1, 32, 32), torch.randn(2, 21, 4, 4)
    published, ours = FusionColorizer(), StudyNetwork(VARIANTS["logits"])
    weights = {
        key.replace("fusion.", "fusion.mix."): value
        for key, value in published.state_dict().items()
    }
    ours.load_state_dict(weights)
    assert torch.allclose(ours(lightness, maps), published(lightness, maps), atol=1e-5)
    bare = StudyNetwork(VARIANTS["none"])
    assert bare.encoder(lightness).shape == ColorAutoencoder().encoder(lightness).shape
    assert bare(lightness).shape == (2, 2, 32, 32)


@pytest.mark.parametrize("variant", FEATURE_VARIANTS, ids=lambda variant: variant.name)
def test_gated_variants_start_without_semantics(variant) -> None:
    network = StudyNetwork(variant).eval()
    lightness = torch.rand(2, 1, 32, 32)
    first, second = inputs_of(variant.name), inputs_of(variant.name)
    assert torch.equal(network(lightness, *first), network(lightness, *second))
    # And the first step takes the semantics in: nought must not stay nought.
    network(lightness, *first).abs().mean().backward()
    fusion = network.fusion
    assert fusion.add.weight.grad is not None and fusion.add.weight.grad.abs().max() > 0
    with torch.no_grad():
        fusion.add.weight.normal_()
    assert not torch.allclose(network(lightness, *first), network(lightness, *second))


@pytest.mark.parametrize(("name", "drops"), [("scales", False), ("dropout", True)])
def test_dropout_is_for_training_alone(name: str, drops: bool) -> None:
    network = StudyNetwork(VARIANTS[name])
    torch.nn.init.normal_(network.fusion.add.weight)
    lightness, pyramid = torch.rand(2, 1, 32, 32), inputs_of(name)
    network.eval()
    assert torch.equal(network(lightness, *pyramid), network(lightness, *pyramid))
    network.train()
    torch.manual_seed(0)
    answers = [network(lightness, *pyramid) for _ in range(3)]
    assert any(not torch.equal(answers[0], other) for other in answers[1:]) == drops


def test_the_whole_branch_is_dropped_for_some_photos() -> None:
    network = StudyNetwork(VARIANTS["dropout"]).train()
    torch.nn.init.normal_(network.fusion.add.weight)
    features = torch.rand(200, 128, 4, 4)
    pyramid = [torch.rand(200, channels, 2, 2) for channels in (40, 112, 320)]
    torch.manual_seed(0)
    with torch.no_grad():
        dropped = network.fusion.mix(features)
        same = (network.fusion(features, *pyramid) == dropped).flatten(1).all(dim=1)
    assert 0.15 < same.float().mean() < 0.35


@pytest.mark.parametrize("count", [2, 3, 12, 1000])
def test_shuffled_photos_are_others_and_fixed(count: int) -> None:
    others = other_photos(count)
    assert sorted(others.tolist()) == list(range(count))
    assert (others != torch.arange(count)).all()
    assert torch.equal(others, other_photos(count))


@pytest.mark.parametrize(("name", "own"), [("shuffled", "logits"), ("shuffled-scales", "scales")])
def test_shuffled_variants_are_given_what_belongs_to_another_photo(
    name: str, own: str, seen
) -> None:
    for photos in (0, 1):  # to train, and to judge
        tasks = task_of(name, seen), task_of(own, seen)
        wrong, right = (task.semantics[(task.train, task.val)[photos]] for task in tasks)
        others = other_photos(len(seen[photos]))
        for mine, theirs in zip(wrong, right, strict=True):
            assert torch.equal(mine, theirs[:, others])
            assert not (mine == theirs).flatten(2).all(dim=2).any()


def test_constant_maps_are_the_same_for_each_photo_and_place(seen) -> None:
    task = task_of("constant", seen)
    (maps,), (val_maps,) = semantics_of(task), task.semantics[task.val]
    assert (maps == maps[0, 0, :, 0, 0][:, None, None]).all()
    assert torch.equal(maps[0, 0], val_maps[0, 0])
    (own,) = semantics_of(task_of("logits", seen))
    assert torch.allclose(maps[0, 0, :, 0, 0], own[0].mean(dim=(0, 2, 3)), atol=1e-5)


def test_what_each_variant_is_given(seen) -> None:
    assert semantics_of(task_of("none", seen)) == []
    (logits,), (one_hot,), (probabilities,) = (
        semantics_of(task_of(name, seen)) for name in ("logits", "one-hot", "probabilities")
    )
    assert logits.shape == (VIEWS, 12, 21, 4, 4)
    assert logits[0].amax() <= 1 + 1e-6  # divided by the largest of the training photos
    assert torch.equal(one_hot, (logits_of(seen) == logits_of(seen).amax(2, keepdim=True)).float())
    assert torch.allclose(probabilities.sum(dim=2), torch.ones(VIEWS, 12, 4, 4), atol=1e-5)
    assert torch.equal(probabilities.argmax(dim=2), one_hot.argmax(dim=2))
    assert [each.shape[2] for each in semantics_of(task_of("gated", seen))] == [112]
    assert [each.shape[2] for each in semantics_of(task_of("scales", seen))] == [40, 112, 320]


def logits_of(seen: tuple[SegmentedPhotos, SegmentedPhotos]) -> Tensor:
    return seen[0].logits


def test_the_teacher_variant_is_given_the_teachers_maps(seen) -> None:
    (maps,) = semantics_of(task_of("teacher", seen))
    classes = maps[0].argmax(dim=1)  # (12, 4, 4)
    assert torch.equal(classes[:, 0, 0], torch.arange(1, 13))
    assert (classes[:, 2:] == 0).all()


def test_variants_see_the_same_photos_in_the_same_order(seen) -> None:
    first = [batch.target for batch in task_of("none", seen).train_batches(1, 0)]
    assert sum(len(lab) for lab in first) == 12
    for name in ("logits", "scales", "shuffled", "constant"):
        other = [batch.target for batch in task_of(name, seen).train_batches(1, 0)]
        assert all(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    next_epoch = next(task_of("none", seen).train_batches(2, 0)).target
    other_seed = next(task_of("none", seen, seed=1).train_batches(1, 0)).target
    assert not torch.equal(first[0], next_epoch) and not torch.equal(first[0], other_seed)


def test_the_augmented_variant_sees_other_squares_of_them_with_their_own_features(seen) -> None:
    task = task_of("dropout", seen)
    batch = next(task.train_batches(0, 0))
    lab, (_, _, fine, _) = batch.target, batch.inputs
    plain = next(task_of("scales", seen).train_batches(0, 0)).target
    mirrored_or_cut = ~(lab == plain).flatten(1).all(dim=1)
    assert 0.3 < mirrored_or_cut.float().mean() <= 1
    kept = task.segmented[task.train].lab.flatten(0, 1)
    features = semantics_of(task)[1].flatten(0, 1)
    for photo, given in zip(lab, fine, strict=True):
        place = (kept == photo).flatten(1).all(dim=1).nonzero()[0, 0]
        assert torch.equal(features[place].float(), given)


def test_a_run_that_goes_on_inside_an_epoch_drops_the_same(seen) -> None:
    task = task_of("dropout", seen)
    task.settings = replace(task.settings, batch_size=4)
    whole = [(batch.target, torch.rand(3)) for batch in task.train_batches(0, 0)]
    rest = [(batch.target, torch.rand(3)) for batch in task.train_batches(0, 2)]
    assert len(whole) == 3 and len(rest) == 1
    for a, b in zip(whole[2], rest[0], strict=True):
        assert torch.equal(a, b)


def test_an_epoch_of_several_passes_shows_each_photo_as_often(seen) -> None:
    task = task_of("none", seen)
    task.passes = 3
    shown = torch.cat([batch.target for batch in task.train_batches(0, 0)])
    kept = task.segmented[task.train].lab[0].float()
    times = [(shown == photo).flatten(1).all(dim=1).sum().item() for photo in kept]
    assert times == [3] * 12
    assert len(task.epoch_photos(0)) == 36  # the learning rate falls over all of them


def test_a_small_study_runs_and_goes_on(folder: str, tmp_path: Path, capsys) -> None:
    runs = tmp_path / "runs"
    command = ["study", "--photos", folder, "--runs", str(runs), "--device", "cpu"]
    command += ["--variants", "dropout", "teacher", "--epochs", "1"]
    assert main([*command, "--seeds", "0"]) == 0
    assert "has no more photos for the runs on 4,000" in capsys.readouterr().out
    runs /= "500"
    assert sorted(run.name for run in runs.iterdir()) == ["dropout-0", "teacher-0"]
    before = {run.name: (run / "history.csv").read_bytes() for run in runs.iterdir()}
    assert main([*command, "--seeds", "0", "1", "--evenly-spaced", "500"]) == 0
    assert len(list(runs.iterdir())) == 4
    assert {name: (runs / name / "history.csv").read_bytes() for name in before} == before
    table = capsys.readouterr().out.splitlines()[-2:]
    assert [line.split()[:2] for line in table] == [["dropout", "2"], ["teacher", "2"]]

    row = read_history(runs / "teacher-1" / "history.csv")[0]
    assert row["train_ab_l1"] > 0 and row["seen_ab_l1"] > 0 and row["val_ab_l1"] > 0
    assert row["seen_grey_ab_l1"] > 10 and row["val_grey_ab_l1"] > 10
    assert main([*command, "--seeds", "0", "--epochs", "2"]) == 2
    assert "was started with other settings: epochs" in capsys.readouterr().err


def test_a_study_that_was_stopped_ends_as_one_that_was_not(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets, variants = open_study_photos(folder, 500), [VARIANTS["dropout"]]
    options = {"size": SIZE, "epochs": 2, "passes": 2, "progress": False, "device": "cpu"}
    random = torch.random.get_rng_state()
    whole = run_study(*sets, variants, [0], tmp_path / "whole", **options)
    assert torch.equal(torch.random.get_rng_state(), random)

    def stop(_run: str, _row: dict[str, float]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(*sets, variants, [0], tmp_path / "stopped", on_epoch=stop, **options)
    resumed = run_study(*sets, variants, [0], tmp_path / "stopped", **options)
    for a, b in zip(whole["dropout-0"], resumed["dropout-0"], strict=True):
        assert {**a, "photos_per_second": 0} == {**b, "photos_per_second": 0}


def test_all_is_planned() -> None:
    assert len(set(SEEDS)) >= 3
    assert set(_parser().parse_args(["study", "--runs", "x"]).evenly_spaced) == set(PLANS)


def test_without_a_teacher_that_variant_is_left_out(tmp_path: Path, capsys) -> None:
    command = ["study", "--photos", "bundled", "--runs", str(tmp_path / "runs")]
    assert main([*command, "--variants", "none", "nonsuch"]) == 2
    assert "nonsuch: is no variant of the study; there are none, logits" in capsys.readouterr().err
    assert main([*command, "--variants", "teacher"]) == 2
    assert "voc21_teacher.npz" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_summary_averages_over_seeds() -> None:
    histories = {
        "none-0": [{"seen_ab_l1": 9.0, "val_ab_l1": 9.0}, {"seen_ab_l1": 5.0, "val_ab_l1": 7.0}],
        "none-1": [{"seen_ab_l1": 9.0, "val_ab_l1": 9.0}, {"seen_ab_l1": 6.0, "val_ab_l1": 9.0}],
        "shuffled-scales-0": [{"seen_ab_l1": 1.0, "val_ab_l1": 4.0}],
    }
    rows = [line.split() for line in study_summary(histories).splitlines()[1:]]
    assert rows == [["none", "2", "5.50", "8.00", "2.50"],
                    ["shuffled-scales", "1", "1.00", "4.00", "3.00"]]  # fmt: skip
