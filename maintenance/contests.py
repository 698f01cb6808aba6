"""What `maintenance.speed` times side by side: a training step of the scripts, of plain Keras, and of plain PyTorch."""

from shared_start import keras  # TensorFlow without its noise; therefore first

import io
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from math import prod

import cv2
import numpy as np
from keras import layers

import A2_RNNs_text2image as text2image_script
import A2_text2image_crisp as crisp_script
import CAE_filter128_latent512 as autoencoder_script
import CGAN_mnist as cgan_script
import FLOW_filter128_latent512 as flow_script
import GAN_filter128_latent128_stable as stable_script
import GAN_filter128_latent256 as gan_script
import GAN_fonts as fonts_script
import HVAE_drums as drums_script
import RNN_mnist_patches as patches_script
import shared_answers
import shared_blocks
import shared_data
import shared_letters
import task2_img2txt_glyphs as glyphs_script
import task2_txt2txt_identities as identities_script
import task2_txt2txtimg2txt as arithmetic_script
import VAE_filter64_latent32 as vae_script
import VAE_mnist_traversal as digits_script
import VAEGAN_filter128_latent128 as vaegan_script
from shared_drawings import draw_digits, draw_faces
from shared_training import Batches, binarised, fast_precision, fast_steps

try:
    from maintenance import in_pytorch
except ModuleNotFoundError:
    in_pytorch = None

CELEBA_SHAPE = (218, 178, 3)
PICTURES = 500  # in the folder that is converted
ON_GPU = keras.backend.backend() == "jax" and "gpu:0" in keras.distribution.list_devices()
LONGER = 10 if ON_GPU else 1  # times as many steps, each of which is short there
if in_pytorch and ON_GPU and not in_pytorch.torch.cuda.is_available():
    in_pytorch = None  # processors are not timed beside a GPU
if in_pytorch:
    in_pytorch.DEVICE = "cuda" if ON_GPU else "cpu"


class Contest:
    """What is to be timed side by side.

    Args:
        name: of the row.
        ours: function to time.
        plain: pair of what Keras does in its place, in words, and the function.
        torch: function that does it in PyTorch, or None.
        steps: training steps that each of the functions makes.
        operations: floating-point operations of one step, or None; a dict if those of "ours", "plain", "torch" differ.
    """

    def __init__(self, name, ours, plain, torch=None, steps=1, operations=None):
        self.name = name
        self.plain = plain[0]
        self.functions = {"ours": ours, "plain": plain[1]} | ({"torch": torch} if torch else {})
        self.steps = steps
        self.operations = operations if isinstance(operations, dict) else dict.fromkeys(self.functions, operations)


def multiply_adds(model):
    """Return the multiply-add operations of a model's convolutions, LSTMs and dense layers for one example, forward."""
    total = 0
    for layer in model.layers:
        weights = sum(prod(weight.shape) for weight in layer.trainable_weights if len(weight.shape) > 1)
        match layer:
            case layers.Conv2DTranspose():
                total += weights * prod(layer.input.shape[1:3])
            case layers.Conv2D():
                total += weights * prod(layer.output.shape[1:3])
            case layers.ConvLSTM2D():
                total += weights * prod(layer.input.shape[1:4])
            case layers.LSTM():
                total += weights * layer.input.shape[1]
            case layers.Dense():
                total += weights * prod(layer.output.shape[1:-1])
    return total


def training_operations(batch_size, *models):
    """Return the floating-point operations of a training step: forward, and twice that backward."""
    return 2 * 3 * batch_size * sum(map(multiply_adds, models))


@contextmanager
def changed(script, **constants):
    """Give a script other constants while a model of it is built."""
    before = {name: getattr(script, name) for name in constants}
    vars(script).update(constants)
    try:
        yield
    finally:
        vars(script).update(before)


def faces_in_batches(script, steps, batch_size, transform=None):
    """Return `Batches` of drawn faces that make so many steps."""
    images = draw_faces(steps * batch_size, script.IMAGE_SIZE, seed=0)
    return Batches((images,), np.arange(len(images)), batch_size, transform)


def of_script(make_epoch, script):
    """Return the function (images, batch_size) that makes an epoch in PyTorch, given its name and the script's sizes.

    None if PyTorch is not installed.
    """
    return in_pytorch and (
        lambda images, size: getattr(in_pytorch, make_epoch)(images, size, script.FILTERS, script.LATENT_DIM)
    )


def vae_contest(filters, batch_size, precision, steps):
    """Return the contest of a VAE with so many filters."""
    batches = faces_in_batches(vae_script, steps, batch_size)
    (images,) = batches.arrays

    def build(precision):
        with changed(vae_script, FILTERS=filters, PRECISION=precision):
            vae = vae_script.VAE(vae_script.build_encoder(), vae_script.build_decoder(), vae_script.BETA, seed=0)
        vae.compile(optimizer=keras.optimizers.Adam(vae_script.LEARNING_RATE))
        return vae

    ours, plain = build(precision), build("float32")
    return Contest(
        f"VAE, {filters} filters, batch {batch_size}, {precision}",
        lambda: ours.fit(batches, shuffle=False, verbose=0),
        ("`fit` on an array, float32", lambda: plain.fit(images, batch_size=batch_size, verbose=0)),
        in_pytorch and in_pytorch.vae_epoch(images, batch_size, filters, vae_script.LATENT_DIM),
        steps=steps,
        operations=training_operations(batch_size, plain.encoder, plain.decoder),
    )


def gan_contest(steps):
    """Return the contest of the GAN."""
    whole, half = gan_script.BATCH_SIZE, gan_script.BATCH_SIZE // 2
    batches = faces_in_batches(gan_script, steps, whole)
    (images,) = batches.arrays
    gan = gan_script.GAN(gan_script.build_generator(), gan_script.build_discriminator(), seed=0)
    gan.compile(optimizer=gan_adam())
    step = two_steps(images[:whole], half)
    generator, discriminator = (2 * multiply_adds(network) for network in (gan.generator, gan.discriminator))
    return Contest(
        f"GAN, {gan_script.FILTERS} filters, batch {whole}, {gan_script.PRECISION}",
        lambda: gan.fit(batches, shuffle=False, verbose=0),
        (f"two-step `train_on_batch`, the discriminator on {half} + {half}", lambda: [step() for _ in range(steps)]),
        in_pytorch and in_pytorch.gan_epoch(images, whole, gan_script.FILTERS, gan_script.LATENT_DIM),
        steps=steps,
        # Passes, forward, back to the weights and back to the input, of each network over how many pictures. Ours need
        # no second forward pass over generated pictures, since both networks move at once.
        operations={
            "ours": generator * 3 * whole + discriminator * (3 * 2 * whole + whole),
            "plain": generator * (half + 3 * whole) + discriminator * (3 * 2 * half + 2 * whole),
            "torch": generator * 3 * whole + discriminator * (3 * 2 * whole + 2 * whole),
        },
    )


def two_steps(images, judged):
    """Return a function that makes one step of the textbook loop, in float32.

    The discriminator learns from `judged` real and as many generated pictures in two calls of `train_on_batch`, then
    the generator from a batch through the frozen discriminator.
    """
    with changed(gan_script, PRECISION="float32"):
        generator, discriminator = gan_script.build_generator(), gan_script.build_discriminator()
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    discriminator.compile(optimizer=gan_adam(), loss=loss)
    both = keras.Sequential([generator, discriminator])
    both.compile(optimizer=gan_adam(), loss=loss)
    rng = np.random.default_rng(0)
    ones, zeros = np.ones((len(images), 1), np.float32), np.zeros((len(images), 1), np.float32)

    def step():
        noise = rng.standard_normal((len(images), gan_script.LATENT_DIM), np.float32)
        fake = generator.predict_on_batch(noise[:judged])
        discriminator.trainable = True
        discriminator.train_on_batch(gan_script.scale(images[:judged]), ones[:judged])
        discriminator.train_on_batch(fake, zeros[:judged])
        discriminator.trainable = False
        both.train_on_batch(noise, ones)

    return step


def gan_adam():
    """Return the GAN scripts' optimiser."""
    return keras.optimizers.Adam(gan_script.LEARNING_RATE, beta_1=gan_script.BETA_1)


def fit_contest(name, ours, plain, batches, torch_step, *networks):
    """Return the contest of the script's `fit` with plain `fit` on arrays of the same data.

    Args:
        name: of the row.
        ours: model, compiled with the script's options.
        plain: the same in float32, compiled with none.
        batches: `shared_training.Batches` of the script.
        torch_step: function (x, y, batch_size), or (x, batch_size) where there is no y, that returns a function that
            makes an epoch in PyTorch; or None.
        *networks: functional models of which a step makes the multiplications; without, no share is given.
    """
    data = batches.all()
    return Contest(
        f"{name}, batch {batches.batch_size}",
        lambda: ours.fit(batches, shuffle=False, verbose=0),
        ("`fit` on arrays", lambda: plain.fit(*data, batch_size=batches.batch_size, verbose=0)),
        torch_step and torch_step(*data, batches.batch_size),
        steps=len(batches),
        operations=training_operations(batches.batch_size, *networks),
    )


def lstm_contest(name, build, compile_model, options, batches, torch_step):
    """Return the contest of the script's `fit` with plain `fit` of the same layers, not unrolled.

    Args:
        name: of the row.
        build: function that returns the model.
        compile_model: function (model, **options) that compiles it.
        options: of the script's own compilation.
        batches: as for `fit_contest`.
        torch_step: as for `fit_contest`.
    """
    ours, plain = build(), rolled(build())
    compile_model(ours, **options)
    compile_model(plain)
    return fit_contest(name, ours, plain, batches, torch_step, ours)


def rolled(model):
    """Return a functional model with the loop of every LSTM left rolled up, as Keras has it unless told otherwise."""

    def clone(layer):
        config = layer.get_config()
        return type(layer).from_config(config | ({"unroll": False} if isinstance(layer, layers.RNN) else {}))

    return keras.models.clone_model(model, clone_function=clone)


def expressions(count):
    """Return the tokens of `count` random expressions, their rows, and a bank of drawn glyphs."""
    queries, answers = shared_blocks.sample_expressions(count, seed=0)
    bank = shared_blocks.GlyphBank(*draw_digits(1_000, seed=0), seed=0)
    return queries, answers, np.arange(count), bank


def text_contest():
    """Return the contest of text to text."""
    size = arithmetic_script.BATCH_SIZE["text"]
    queries, answers, rows, _ = expressions(200 * size)
    return lstm_contest(
        "text to text",
        arithmetic_script.build_text_model,
        arithmetic_script.compile_model,
        fast_steps(arithmetic_script.STEPS_PER_EXECUTION),
        Batches((queries, answers), rows, size, shared_blocks.to_one_hot_batch),
        in_pytorch and in_pytorch.text_epoch,
    )


def identities_contest():
    """Return the contest of text to text with all ideas, whose batches are larger."""
    script = identities_script
    queries, answers, rows, _ = expressions(200 * script.BATCH_SIZE)

    def compile_model(model, **options):
        optimizer = script.optimizer_of(script.IDEAS, 200)
        model.compile(optimizer=optimizer, loss="categorical_crossentropy", **options)

    return lstm_contest(
        "text to text, with all ideas",
        script.build_model,
        compile_model,
        fast_steps(script.STEPS_PER_EXECUTION),
        Batches((queries, answers), rows, script.BATCH_SIZE, shared_blocks.to_one_hot_batch),
        in_pytorch and in_pytorch.identities_epoch,
    )


def image_contest(name, steps):
    """Return the contest of image to text by the model "flatten" or "convolution"."""
    size = arithmetic_script.BATCH_SIZE[name]
    queries, answers, rows, bank = expressions(steps * size)

    return lstm_contest(
        f"image to text, {name}",
        lambda: getattr(arithmetic_script, f"build_{name}_model")(augmented=False),
        arithmetic_script.compile_model,
        {},
        Batches((queries, answers), rows, size, arithmetic_script.queries_in_glyphs(bank)),
        in_pytorch and getattr(in_pytorch, f"{name}_epoch"),
    )


def text2image_contest():
    """Return the contest of text to image, with the first configuration of table 4."""
    size = text2image_script.BATCH_SIZE
    queries, answers, rows, bank = expressions(25 * size)
    configuration = text2image_script.CONFIGURATIONS[0]

    return lstm_contest(
        f"text to image, {'/'.join(map(str, configuration))}",
        lambda: text2image_script.build_model(*configuration),
        text2image_script.compile_model,
        fast_steps(text2image_script.STEPS_PER_EXECUTION),
        Batches((queries, answers), rows, size, text2image_script.answers_in_glyphs(bank)),
        in_pytorch and in_pytorch.text2image_epoch,
    )


def glyphs_contest(steps):
    """Return the contest of digit images read glyph by glyph, which `ours` turns and moves as it trains."""
    size = glyphs_script.BATCH_SIZE
    queries, answers, rows, bank = expressions(steps * size)
    reader, calculator = glyphs_script.build_reader(), glyphs_script.build_calculator()
    ours = glyphs_script.build_model(reader, calculator)
    plain = glyphs_script.build_model(glyphs_script.build_reader(), rolled(calculator))
    for model in (ours, plain):
        optimizer = keras.optimizers.AdamW(weight_decay=glyphs_script.WEIGHT_DECAY)
        compiled(model, optimizer, loss="categorical_crossentropy", metrics=["accuracy", shared_answers.exact_match])
    batches = Batches((queries, answers), rows, size, glyphs_script.queries_in_glyphs(bank, moved=True))
    networks = [*[reader] * shared_blocks.QUERY_LENGTH, calculator]
    return fit_contest(
        "image to text, glyph by glyph", ours, plain, batches, in_pytorch and in_pytorch.glyphs_epoch, *networks
    )


def compiled(model, optimizer="adam", **options):
    """Return a model, compiled with an optimiser, whose rate does not matter here."""
    model.compile(optimizer=optimizer, **options)
    return model


def patches_contest(steps):
    """Return the contest of digits completed patch by patch, with the masked head."""
    batches = patches_script.batches_of(
        draw_digits(steps * patches_script.BATCH_SIZE, seed=0), patches_script.BATCH_SIZE
    )
    lstm, head = patches_script.build_lstm(), patches_script.build_head("masked")
    options = fast_steps(patches_script.STEPS_PER_EXECUTION)
    return fit_contest(
        "digits by patches",
        compiled(patches_script.PatchModel(lstm, head), **options),
        compiled(patches_script.PatchModel(rolled(lstm), patches_script.build_head("masked"))),
        batches,
        in_pytorch and in_pytorch.patches_epoch,
        lstm,
        *[head] * patches_script.PATCHES,
    )


def digits_contest(steps):
    """Return the contest of the VAE of digits."""
    size = digits_script.BATCH_SIZE
    digits = draw_digits(steps * size, seed=0)

    def build():
        encoder = digits_script.build_encoder(digits_script.LATENT_DIM)
        decoder = digits_script.build_decoder(digits_script.LATENT_DIM)
        return digits_script.VAE(encoder, decoder, digits_script.BETA, seed=0)

    ours, plain = compiled(build(), **fast_steps(digits_script.STEPS_PER_EXECUTION)), compiled(build())
    batches = Batches(digits, np.arange(steps * size), size, binarised)
    torch_step = in_pytorch and in_pytorch.digits_epoch
    return fit_contest("VAE of digits", ours, plain, batches, torch_step, ours.encoder, ours.decoder)


def precision_contest(name, script, build, batches, torch_step, *networks):
    """Return the contest of a script's model with the same one in float32.

    Args:
        name: of the row, to which batch size and precision are added.
        script: whose PRECISION the model has.
        build: function that returns the model, not compiled.
        batches: as for `fit_contest`.
        torch_step: as for `fit_contest`.
        *networks: as for `fit_contest`.
    """
    ours = compiled(build())
    with changed(script, PRECISION="float32"):
        plain = compiled(build())
    contest = fit_contest(name, ours, plain, batches, torch_step, *networks)
    contest.name += f", {script.PRECISION}"
    return contest


def stable_contest(steps):
    """Return the contest of the stable GAN with the remedies of a bare command."""
    script = stable_script
    batches = faces_in_batches(script, steps, script.BATCH_SIZE // script.SMALLER)

    def build():
        return script.StableGAN(*script.build_networks(script.REMEDIES), script.REMEDIES, seed=0)

    torch_step = of_script("stable_epoch", script)
    return precision_contest(f"stable GAN, {script.FILTERS} filters", script, build, batches, torch_step)


def vaegan_contest(steps):
    """Return the contest of the VAE-GAN."""
    script = vaegan_script
    batches = faces_in_batches(script, steps, script.BATCH_SIZE, script.flipped)

    def build():
        networks = script.build_encoder(), script.build_generator(), script.build_discriminator()
        return script.VAEGAN(*networks, seed=0)

    torch_step = of_script("vaegan_epoch", script)
    return precision_contest(f"VAE-GAN, {script.FILTERS} filters", script, build, batches, torch_step)


def autoencoder_contest(steps):
    """Return the contest of the convolutional autoencoder of faces."""
    script = autoencoder_script
    batches = faces_in_batches(script, steps, script.BATCH_SIZE)

    def build():
        return script.Autoencoder(script.build_encoder(), script.build_decoder())

    torch_step = of_script("autoencoder_epoch", script)
    networks = script.build_encoder(), script.build_decoder()
    return precision_contest(f"autoencoder, {script.FILTERS} filters", script, build, batches, torch_step, *networks)


def codes_of(count, size):
    """Return random codes, float32 (count, size), from N(0, I)."""
    return np.random.default_rng(0).standard_normal((count, size), np.float32)


def sharpening_contest(steps):
    """Return the contest of the flow's decoder, trained on against a discriminator."""
    script, size = flow_script, flow_script.SHARPENED["batch_size"]
    images = draw_faces(steps * size, script.IMAGE_SIZE, seed=0)
    codes = codes_of(len(images), script.LATENT_DIM)
    batches = Batches((codes, images), np.arange(len(images)), size, script.decoding)

    def build():
        return script.Sharpening(script.build_decoder(), script.build_discriminator())

    def torch_step(codes, pictures, batch_size):
        return in_pytorch.sharpening_epoch(codes, pictures, batch_size, script.FILTERS)

    name = f"sharpening of the flow's decoder, {script.FILTERS} filters"
    return precision_contest(name, script, build, batches, in_pytorch and torch_step)


def flow_contest(steps):
    """Return the contest of the flow itself."""
    script = flow_script
    codes = codes_of(steps * script.BATCH_SIZE, script.LATENT_DIM)
    batches = Batches((codes,), np.arange(len(codes)), script.BATCH_SIZE, script.flowing)
    flows = [script.Flow(script.build_velocity(script.LATENT_DIM)) for _ in range(2)]
    ours = compiled(flows[0], keras.optimizers.AdamW(), **fast_steps(script.STEPS_PER_EXECUTION))
    plain = compiled(flows[1], keras.optimizers.AdamW())
    return fit_contest("flow", ours, plain, batches, in_pytorch and in_pytorch.flow_epoch, ours.velocity)


def cgan_contest(steps):
    """Return the contest of the GAN of digits by label."""
    script = cgan_script
    digits = draw_digits(steps * script.BATCH_SIZE, seed=0)
    batches = Batches(digits, np.arange(len(digits[0])), script.BATCH_SIZE)

    def build():
        return script.CGAN(script.build_generator(), script.build_discriminator(), labelled=True, seed=0)

    def torch_step(pictures, labels, batch_size):
        told = np.eye(script.CLASSES, dtype=np.float32)[labels]
        return in_pytorch.glyph_gan_epoch(
            pictures, told, batch_size, script.LATENT_DIM, script.FILTERS, script.FEATURES
        )

    return precision_contest("GAN of digits by label", script, build, batches, in_pytorch and torch_step)


def fonts_contest(steps):
    """Return the contest of the GAN of letters, told the letter and with the penalty."""
    script = fonts_script
    count = steps * script.BATCH_SIZE
    masters = np.random.default_rng(0).integers(256, size=(count, *2 * [shared_letters.MASTER]), dtype=np.uint8)

    def bent(masters, labels, rng):
        return shared_letters.bend(masters, rng), labels

    batches = Batches((masters, script.even_labels(count)), np.arange(count), script.BATCH_SIZE, bent)

    def build():
        networks = script.build_generator(), script.build_discriminator()
        return script.GAN(*networks, seed=0, labelled=True, penalty=True)

    def torch_step(pictures, labels, batch_size):
        told = np.eye(len(script.LETTERS), dtype=np.float32)[labels]
        sizes = script.LATENT_DIM, script.FILTERS, script.FEATURES
        return in_pytorch.glyph_gan_epoch(pictures, told, batch_size, *sizes, penalty=script.PENALTY)

    return precision_contest("GAN of letters", script, build, batches, in_pytorch and torch_step)


def crisp_contest(steps):
    """Return the contest of the GAN that writes the glyphs of answers."""
    script = crisp_script
    _, answers, _, bank = expressions(steps * script.BATCH_SIZE)
    tokens = answers.reshape(-1)
    tokens = tokens[tokens != script.BLANK][: steps * script.BATCH_SIZE]
    hands = codes_of(len(bank.glyphs), len(script.HAND))
    arrays = shared_blocks.to_one_hot(tokens), tokens
    batches = Batches(arrays, np.arange(len(tokens)), script.BATCH_SIZE, script.glyphs_with_hands(bank, hands))

    def build():
        return script.GlyphGAN(script.build_generator(), script.build_critic(), seed=0)

    def torch_step(inputs, batch_size):
        told = np.concatenate([inputs["said"], inputs["hand"]], axis=1)
        sizes = script.NOISE_DIM, script.FILTERS, script.FEATURES
        return in_pytorch.glyph_gan_epoch(inputs["picture"], told, batch_size, *sizes, averaged=True)

    return precision_contest("GAN of an answer's glyphs", script, build, batches, in_pytorch and torch_step)


def drums_contest(steps):
    """Return the contest of the hierarchical VAE of drum bars."""
    size, styles = drums_script.BATCH_SIZE, 10
    rng = np.random.default_rng(0)
    bars = (rng.random((steps * size, drums_script.CELLS)) < 0.1).astype(np.float32)
    batches = Batches((bars, rng.integers(styles, size=len(bars))), np.arange(len(bars)), size)

    def build():
        return drums_script.HVAE(drums_script.build_networks(styles), steps, seed=0)

    ours, plain = compiled(build(), **fast_steps(drums_script.STEPS_PER_EXECUTION)), compiled(build())
    networks = (ours.encoder_high, ours.encoder_low, ours.prior, ours.decoder)
    return fit_contest("drum bars", ours, plain, batches, in_pytorch and in_pytorch.drums_epoch, *networks)


def generator_contest():
    """Return the contest of picking glyphs for all queries."""
    queries, _, _, bank = expressions(20_000)
    rng = np.random.default_rng(0)

    def one_by_one():
        for query in queries:
            np.stack([bank.glyphs[bank.starts[token] + rng.integers(bank.counts[token])] for token in query])

    return Contest("picking glyphs for all 20,000 queries", lambda: bank.pick(queries, rng), ("one by one", one_by_one))


def conversion_contest():
    """Return the contest of converting a folder of JPEG files of CelebA's size."""
    folder = tempfile.TemporaryDirectory()
    for index, face in enumerate(draw_faces(PICTURES, CELEBA_SHAPE[0], seed=0)):
        cv2.imwrite(f"{folder.name}/{index:04d}.jpg", face[:, : CELEBA_SHAPE[1]])
    files = shared_data.list_images(folder.name)

    def convert():
        with redirect_stdout(io.StringIO()):
            shared_data.convert(folder, files, shared_data.read_image, vae_script.IMAGE_SIZE)

    def decode_alone():
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda path: cv2.imread(str(path)), files))

    return Contest(f"converting {PICTURES} JPEG files", convert, ("decoding alone, on all cores", decode_alone))


CONTESTS = {
    "vae": lambda: vae_contest(64, 8, vae_script.PRECISION, steps=24 * LONGER),
    "vae128": lambda: vae_contest(128, 64, fast_precision(), steps=3 * LONGER),
    "gan": lambda: gan_contest(steps=3 * LONGER),
    "stable": lambda: stable_contest(steps=12 * LONGER),
    "vaegan": lambda: vaegan_contest(steps=3 * LONGER),
    "autoencoder": lambda: autoencoder_contest(steps=6 * LONGER),
    "sharpening": lambda: sharpening_contest(steps=12 * LONGER),
    "flow": lambda: flow_contest(steps=50 * LONGER),
    "text": text_contest,
    "identities": identities_contest,
    "flatten": lambda: image_contest("flatten", steps=25 * LONGER),
    "convolution": lambda: image_contest("convolution", steps=2 * LONGER),
    "text2image": text2image_contest,
    "glyphs": lambda: glyphs_contest(steps=25 * LONGER),
    "patches": lambda: patches_contest(steps=40 * LONGER),
    "digits": lambda: digits_contest(steps=200 * LONGER),
    "cgan": lambda: cgan_contest(steps=10 * LONGER),
    "fonts": lambda: fonts_contest(steps=20 * LONGER),
    "crisp": lambda: crisp_contest(steps=10 * LONGER),
    "drums": lambda: drums_contest(steps=200 * LONGER),
    "generator": generator_contest,
    "conversion": conversion_contest,
}
