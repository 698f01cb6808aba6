"""The pages' pictures in `assets/`, made from run folders; no photograph is among them. explore.jpg is a screenshot.

    python -m maintenance.pictures                      # from runs/, with digits as in the scripts
    python -m maintenance.pictures --mnist mnist.npz

The runs that it takes the pictures from, by their folders in `runs/`; those of photographs with --limit 10000:
    VAE_filter64_latent{32,64,128}, GAN_filter128_latent{64,128,256}, task2_txt2txtimg2txt (all parts),
    A2_RNNs_text2image          those of the scripts' names
    A2_RNNs_text2image_long     --encoders 1 --decoders 1 --units 512 --batch-size 32 --epochs 150 --patience 30
    task2_txt2txtimg2txt_fixed  with a fixed picture for each expression, by its command in assets/results.csv
    VAE_..._beta8               --epochs 6
    VAE_..._beta1               the same of a copy with BETA = 1.0
    VAE_filter64_latent32_drawn    without pictures
    VAE_tweak_{unchanged,beta1,beta0,latent2}, GAN_tweak_{unchanged,filters32,momentum}
                                the tweaks, by their commands in assets/results.csv
    comparison_VAE, comparison_GAN    compare_runs.py --out, of the three
    RNN_mnist_patches, VAE_mnist_traversal, CGAN_mnist, GAN_fonts, HVAE_drums,
    task2_txt2txt_identities, task2_img2txt_glyphs, A2_text2image_crisp    those of the scripts' names
    FLOW_filter128_latent512    with --limit 7680 and --beside the runs of GAN_filter128_latent128 and VAEGAN_...
    GAN_filter128_latent128_7680    with --limit 7680
    GAN_filter128_latent128_stable  with --limit 7680 --epochs 36
    VAEGAN_filter128_latent128  with --limit 7680, --attributes, and --beside the run of GAN_filter128_latent128
    CAE_filter128_latent512     of cats, with --beside the runs of VAE_filter64_latent128 and GAN_filter128_latent256
"""

import shared_start  # noqa: F401, first: TensorFlow without its noise

import shutil
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

import shared_blocks
import shared_data
import shared_figures
import shared_models
from maintenance import tables
from shared_command_line import OneLineParser, run_script
from shared_files import InputError, epoch_files
from shared_run import RUNS_DIR

ASSETS = Path(__file__).resolve().parent.parent / "assets"
VAES = [f"VAE_filter64_latent{latent_dim}" for latent_dim in (32, 64, 128)]
GANS = [f"GAN_filter128_latent{latent_dim}" for latent_dim in (64, 128, 256)]
COPIES = {  # asset: file of a run
    "VAE_curves.png": "comparison_VAE/curves.png",
    "GAN_curves.png": "comparison_GAN/curves.png",
    "CAE_codes.png": "CAE_filter128_latent512/codes.png",
    "text_accuracy_by_share.png": "task2_txt2txtimg2txt/text_accuracy_by_share.png",
    "text_accuracy_by_epoch.png": "task2_txt2txtimg2txt/text_accuracy_by_epoch.png",
    "text_errors_share25.png": "task2_txt2txtimg2txt/text_0.25/errors.png",
    "image_accuracy_augmented.png": "task2_txt2txtimg2txt/image_accuracy_augmented.png",
    "image_accuracy_plain.png": "task2_txt2txtimg2txt/image_accuracy_plain.png",
    "image_accuracy_fixed.png": "task2_txt2txtimg2txt_fixed/image_accuracy_plain.png",
    "task2_txt2txtimg2txt.png": "task2_txt2txtimg2txt/image_flatten_plain/answers.png",
    "text2image_samples_report_schedule.png": "A2_RNNs_text2image/encoders1_decoders1_units512/samples.png",
    "text2image_curves_report_schedule.png": "A2_RNNs_text2image/encoders1_decoders1_units512/curves.png",
    "RNN_mnist_patches.png": "RNN_mnist_patches/heads.png",
    "RNN_choices.png": "RNN_mnist_patches/masked/choices.png",
    "RNN_positions.png": "RNN_mnist_patches/positions.png",
    "VAE_mnist_traversal.png": "VAE_mnist_traversal/many/traversals.png",
    "VAE_dimensions.png": "VAE_mnist_traversal/many/dimensions.png",
    "VAE_plane.png": "VAE_mnist_traversal/two/plane.png",
    "VAE_map.png": "VAE_mnist_traversal/two/map.png",
    "CGAN_mnist.png": "CGAN_mnist/labels/styles.png",
    "CGAN_beside.png": "CGAN_mnist/beside.png",
    "CGAN_sweep.png": "CGAN_mnist/labels/sweep.png",
    "CGAN_curves.png": "CGAN_mnist/labels/curves.png",
    "GAN_fonts.png": "GAN_fonts/labels_0/styles.png",
    "fonts_coverage.png": "GAN_fonts/coverage.png",
    "fonts_arms.png": "GAN_fonts/arms.png",
    "fonts_carried.png": "GAN_fonts/labels_0/carried.png",
    "fonts_interpolation.png": "GAN_fonts/penalty_0/interpolation.png",
    "HVAE_drums.png": "HVAE_drums/linear/temperatures.png",
    "drums_density.png": "HVAE_drums/linear/density.png",
    "drums_interpolation.png": "HVAE_drums/linear/interpolation.png",
    "drums_map.png": "HVAE_drums/linear/map.png",
    "drums_swaps.png": "HVAE_drums/linear/swaps.png",
    "drums_samples.wav": "HVAE_drums/linear/sounds/samples_temperature_1_grid.wav",
    "drums_swaps.mid": "HVAE_drums/linear/sounds/swaps_grid.mid",
    "A2_RNNs_text2image.png": "A2_RNNs_text2image_long/encoders1_decoders1_units512/samples.png",
    "text2image_curves.png": "A2_RNNs_text2image_long/encoders1_decoders1_units512/curves.png",
    "task2_txt2txt_identities.png": "task2_txt2txt_identities/exact_by_given.png",
    "task2_img2txt_glyphs.png": "task2_img2txt_glyphs/symbols.png",
    "glyphs_wrong.png": "task2_img2txt_glyphs/wrong.png",
    "glyphs_curves.png": "task2_img2txt_glyphs/curves.png",
    "VAEGAN_effects.png": "VAEGAN_filter128_latent128/effects.png",
    "FLOW_steps.png": "FLOW_filter128_latent512/steps.png",
    "A2_text2image_crisp.png": "A2_text2image_crisp/beside.png",
    "crisp_agreement.png": "A2_text2image_crisp/agreement.png",
    "crisp_hands.png": "A2_text2image_crisp/hands.png",
    "crisp_nearest.png": "A2_text2image_crisp/critic/nearest.png",
}
EXPRESSION = "52+69"  # of the banner; with seed 0 none of its three models was trained on it
FRAMES = 26  # of an animation, at most
CELL = 66  # pixels of a face in a grid, with its white edge


def read_grid(path, rows, columns=8):
    """Return the upper left faces of a picture by `Run.save_grid`, without title: uint8 (66 rows, 66 columns, 3)."""
    picture = np.asarray(shared_figures.read_picture(path))
    picture = picture[len(picture) % (shared_figures.ZOOM * CELL) :]  # a long title has several lines
    return picture[:: shared_figures.ZOOM, :: shared_figures.ZOOM][: CELL * rows, : CELL * columns]


def read_rows(path):
    """Return the rows of a picture by `Run.save_rows`, one row of pictures per title, each with its title above it.

    Raises:
        InputError: a title has several lines.
    """
    picture = np.asarray(shared_figures.read_picture(path))
    height = shared_figures.TITLE_HEIGHT + shared_figures.ZOOM * CELL
    if len(picture) % height:
        raise InputError(f"{path}: a title has several lines.")
    return np.split(picture, range(height, len(picture), height))


def finished_grids(folder):
    """Return the paths of a run's sample grids, from the untrained model's to the last epoch's.

    Raises:
        InputError: the run is not there, or has not ended.
    """
    grids = list(epoch_files(folder / "samples").values())
    if not grids or not (folder / "results.json").exists():
        raise InputError(f"{folder}: not the folder of a finished run with samples.")
    return grids


def save_jpeg(name, picture, width=None):
    """Write a uint8 picture (height, width, 3) to `assets/`, shrunk to `width` pixels if that is given."""
    image = Image.fromarray(picture)
    if width is not None:
        image = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
    image.save(ASSETS / name, quality=85, optimize=True)


def save_faces(runs):
    """Save samples and interpolations of the VAEs and the GANs (report: figures 1-4 and 6-9)."""
    for name in VAES + GANS:
        grids = finished_grids(runs / name)
        first_over_last = np.concatenate([read_grid(grids[0], rows=1), read_grid(grids[-1], rows=4)])
        save_jpeg(f"{name}.jpg", first_over_last)
    for kind, names in (("VAE", VAES), ("GAN", GANS)):
        strips = [read_grid(runs / name / "interpolation.png", rows=1, columns=9) for name in names]
        save_jpeg(f"{kind}_interpolations.jpg", np.concatenate(strips))


def save_animations(runs):
    """Save the training of a VAE, of a GAN, and of text to images, at epochs spread evenly over it."""

    def spread(folder):
        grids = finished_grids(folder)
        return [grids[index] for index in np.linspace(0, len(grids) - 1, min(FRAMES, len(grids))).astype(int)]

    for name in (VAES[0], GANS[0]):
        frames = [Image.fromarray(read_grid(path, rows=2)) for path in spread(runs / name)]
        shared_figures.save_gif(ASSETS / f"{name}_training.gif", frames)
    paths = spread(runs / "A2_RNNs_text2image_long" / "encoders1_decoders1_units512")
    frames = [shared_figures.read_picture(path).reduce(2) for path in paths]
    shared_figures.save_gif(ASSETS / "text2image_training.gif", frames)


def save_spreads(runs):
    """Save samples from N(0, I) and from a sixth of it, at beta 8 and at beta 1, two rows a latent dimension."""
    for beta in (8, 1):
        folders = [runs / f"{name}_beta{beta}" for name in VAES]
        wide = [read_grid(finished_grids(folder)[-1], rows=2) for folder in folders]
        narrow = [read_grid(folder / "samples_narrow.png", rows=2) for folder in folders]
        save_jpeg(f"VAE_beta{beta}_samples.jpg", np.concatenate(wide))
        save_jpeg(f"VAE_beta{beta}_samples_narrow.jpg", np.concatenate(narrow))


def save_tweaks(runs):
    """Save samples of the unchanged VAE and GAN and of their tweaks after eight epochs, a row each."""
    tweaks = {"VAE": ("unchanged", "beta1", "beta0", "latent2"), "GAN": ("unchanged", "filters32", "momentum")}
    for kind, names in tweaks.items():
        folders = [runs / f"{kind}_tweak_{name}" for name in names]
        rows = [read_grid(finished_grids(folder)[-1], rows=1) for folder in folders]
        save_jpeg(f"{kind}_tweaks.jpg", np.concatenate(rows))


def save_stand_ins(runs):
    """Save what a VAE without photographs reads and makes: drawn faces over their reconstructions, and samples."""
    folder = runs / f"{VAES[0]}_drawn"
    save_jpeg("drawn_faces_reconstructed.jpg", read_grid(folder / "reconstructions.png", rows=2))
    save_jpeg("drawn_faces_samples.jpg", read_grid(finished_grids(folder)[-1], rows=2))


def save_cats(runs):
    """Save what the autoencoder, a VAE and a GAN make of cats, without the photographs."""
    folder = runs / "CAE_filter128_latent512"
    _, *rows = read_rows(folder / "comparison.png")
    save_jpeg("CAE_comparison.jpg", np.concatenate(rows), width=990)
    reconstructions, _, _, mixture, _, _, prior, _, gan = rows
    save_jpeg("CAE_filter128_latent512.jpg", np.concatenate([reconstructions, mixture, prior, gan]), width=792)
    save_jpeg("CAE_directions.jpg", np.asarray(shared_figures.read_picture(folder / "directions.png")))


def save_edited_faces(runs):
    """Save what the VAE-GAN makes of faces, beside the GAN, and its edits, without the photographs."""
    folder = runs / "VAEGAN_filter128_latent128"
    _, reconstructions, samples, gan, between, _ = read_rows(folder / "beside.png")
    rows = np.concatenate([reconstructions, samples, between, gan])
    save_jpeg("VAEGAN_filter128_latent128.jpg", rows, width=792)
    _, *edits = read_rows(folder / "edits.png")
    save_jpeg("VAEGAN_edits.jpg", np.concatenate(edits), width=1056)


def save_stable(runs):
    """Save samples of the plain GAN over those of the stable one, from the same noise."""
    folders = [runs / f"{GANS[1]}_{name}" for name in ("7680", "stable")]
    samples = [read_grid(finished_grids(folder)[-1], rows=2) for folder in folders]
    save_jpeg(f"{GANS[1]}_stable.jpg", np.concatenate(samples))


def save_flow(runs):
    """Save what the autoencoder with a flow makes of faces, beside the GAN's, without the photographs."""
    folder = runs / "FLOW_filter128_latent512"
    *_, reconstructions, _, gaussian, flow, gan, _ = read_rows(folder / "comparison.png")
    save_jpeg("FLOW_filter128_latent512.jpg", np.concatenate([reconstructions, gaussian, flow, gan]), width=792)
    save_jpeg("FLOW_path.jpg", np.asarray(shared_figures.read_picture(folder / "path.png")), width=792)


def save_quality():
    """Save the distance of samples over the minutes of training on one machine, a curve a model, from results.csv."""
    points = {}
    for row in tables.read_rows():
        kind, _, setting = row["setting"].partition(": ")
        if kind == "yardstick" and row["metric"] in ("swd", "minutes"):
            model, _, epochs = setting.rpartition(", ")
            points.setdefault(model, {}).setdefault(epochs, {})[row["metric"]] = float(row["value"])
    (floor,) = points.pop("training pictures").values()
    figure = Figure(figsize=(8, 5), dpi=shared_figures.DPI, layout="constrained")
    axes = figure.subplots()
    for model, curve in points.items():
        axes.plot(*([point[metric] for point in curve.values()] for metric in ("minutes", "swd")), "o-", label=model)
    axes.axhline(floor["swd"], color="grey", linestyle="--", label="training pictures, the floor")
    axes.set(xscale="log", yscale="log", xlabel="minutes of training on two cores")
    axes.set(ylabel="sliced Wasserstein distance to unseen photographs")
    axes.grid(alpha=0.3, which="both")
    axes.legend(loc="lower left")
    figure.savefig(ASSETS / "faces_quality.png")


def solve(runs, mnist):
    """Return what the three kinds of model make of EXPRESSION, as rows of the banner.

    Args:
        runs: folder of the run folders.
        mnist: file of MNIST, or None, as `shared_data.find_digits` takes it.

    Returns:
        List of (kind, question, answer), the latter two text or a grey picture (28, width).
    """
    parts = ("text_0.5", "image_flatten_plain")
    solver, reader = (shared_models.open_model(runs / "task2_txt2txtimg2txt" / part) for part in parts)
    writer = shared_models.open_model(runs / "A2_RNNs_text2image_long" / "encoders1_decoders1_units512")
    _, digits, _ = shared_data.find_digits(mnist, seed=0)
    bank = shared_blocks.GlyphBank(*digits, seed=[0, 1])  # the test's
    glyphs = bank.pick(reader.tokens_of(EXPRESSION)[0], np.random.default_rng(0))
    return [
        ("text to text", EXPRESSION, solver.answer(EXPRESSION)[0]),
        ("digit images to text", np.concatenate(glyphs, axis=-1), reader.answer_pictures(glyphs)[0]),
        ("text to digit images", EXPRESSION, writer.draw(EXPRESSION, [])[0]),
    ]


def save_banner(runs, solved):
    """Save faces of a VAE and of a GAN, and the rows of `solve`, side by side."""
    figure = Figure(figsize=(12.8, 3.1), dpi=shared_figures.DPI)
    for left, name, title in ((0.005, VAES[0], "faces from a VAE"), (0.27, GANS[0], "faces from a GAN")):
        axes = figure.add_axes((left, 0.02, 0.255, 0.88))
        axes.imshow(read_grid(finished_grids(runs / name)[-1], rows=3, columns=4))
        axes.set_title(title, fontsize=12)
        axes.axis("off")
    for index, (kind, question, answer) in enumerate(solved):
        bottom = 0.67 - 0.31 * index
        middle = bottom + 0.11
        figure.text(0.55, middle, kind, va="center", fontsize=12)
        figure.text(0.868, middle, "\u2192", ha="center", va="center", fontsize=22)
        for left, width, shown in ((0.69, 0.16, question), (0.885, 0.1, answer)):
            if isinstance(shown, str):
                figure.text(left + width / 2, middle, shown, ha="center", va="center", fontsize=30)
            else:
                axes = figure.add_axes((left, bottom, width, 0.22))
                axes.imshow(shown, cmap="gray")
                axes.axis("off")
    figure.savefig(ASSETS / "banner.png")


def main(argv=None):
    """Make every picture anew but explore.jpg.

    Raises:
        InputError: a run is missing or has not ended; as `shared_data.find_digits`.
        OSError: a file to copy is missing.
    """
    parser = OneLineParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=RUNS_DIR, help="folder of the run folders")
    flag, what = shared_data.DIGITS_FLAG
    parser.add_argument(flag, help=what)
    args = parser.parse_args(argv)
    for asset, path in COPIES.items():
        shutil.copy(args.runs / path, ASSETS / asset)
    save_faces(args.runs)
    save_animations(args.runs)
    save_spreads(args.runs)
    save_tweaks(args.runs)
    save_stand_ins(args.runs)
    save_cats(args.runs)
    save_edited_faces(args.runs)
    save_stable(args.runs)
    save_flow(args.runs)
    save_quality()
    save_banner(args.runs, solve(args.runs, args.mnist))


if __name__ == "__main__":
    run_script(main, resumable=False)
