"""Time of a training step of the scripts beside plain Keras loops of the same models; prints a Markdown table.

    python benchmarks/training_step.py            # all, some minutes
    python benchmarks/training_step.py gan text   # only these

The rows of a table are measured in one run, in turn, so that a machine that slows down slows all of them; the numbers
are medians over the rounds. What is compiled is compiled before.
"""

import statistics
import sys
import time
from pathlib import Path

import keras
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import GAN_filter128_latent256 as gan_script
import shared_blocks
import shared_data
import shared_run
import task2_txt2txtimg2txt as arithmetic_script

ROUNDS = 9


def gan_rows():
    """Return the rows of the GAN's table: {name: (function that trains, steps that it makes)}."""
    images = shared_data.draw_faces(gan_script.BATCH_SIZE, gan_script.IMAGE_SIZE, seed=0)
    whole, half = gan_script.BATCH_SIZE, gan_script.BATCH_SIZE // 2
    steps = {
        "GAN script, float32": fused_step(images, "float32"),
        "GAN script, mixed_bfloat16": fused_step(images, "mixed_bfloat16"),
        f"train_on_batch, {whole} real + {whole} generated, then {whole}": two_steps(images, whole),
        f"train_on_batch, {half} real + {half} generated, then {whole}": two_steps(images, half),
    }
    return {name: (step, 1) for name, step in steps.items()}


def fused_step(images, precision):
    """Return a function that makes one step as the GAN scripts do, in a precision."""
    gan_script.PRECISION = precision
    gan = gan_script.GAN(gan_script.build_generator(), gan_script.build_discriminator(), seed=0)
    gan.compile(optimizer=gan_adam())
    return lambda: gan.train_on_batch(images)


def two_steps(images, judged):
    """Return a function that makes one step of the textbook loop, in float32.

    The discriminator learns from `judged` real and as many generated pictures in two calls of `train_on_batch`, then
    the generator from a batch through the frozen discriminator.
    """
    gan_script.PRECISION = "float32"
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


def text_rows():
    """Return the rows of the text-to-text model's table, as `gan_rows`."""
    queries, answers = map(shared_blocks.to_tokens, shared_blocks.arithmetic_expressions())
    rows = np.random.default_rng(0).permutation(len(queries))[: 200 * arithmetic_script.BATCH_SIZE]
    batches = shared_run.Batches(
        (queries, answers), rows, arithmetic_script.BATCH_SIZE, arithmetic_script.to_one_hot_batch
    )
    script_model = arithmetic_script.build_text_model()
    arithmetic_script.compile_model(script_model, **shared_blocks.fast_lstm(arithmetic_script.STEPS_PER_EXECUTION))

    x, y = shared_blocks.to_one_hot(queries[rows]), shared_blocks.to_one_hot(answers[rows])
    units, length, characters = arithmetic_script.UNITS, shared_blocks.ANSWER_LENGTH, len(shared_blocks.CHARACTERS)
    plain_model = keras.Sequential(
        [
            keras.Input(arithmetic_script.QUERY_SHAPE),
            keras.layers.LSTM(units),
            keras.layers.RepeatVector(length),
            keras.layers.LSTM(units, return_sequences=True),
            keras.layers.Dense(characters, activation="softmax"),
        ]
    )
    plain_model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return {
        "text-to-text script": (lambda: script_model.fit(batches, shuffle=False, verbose=0), len(batches)),
        "plain fit": (
            lambda: plain_model.fit(x, y, batch_size=arithmetic_script.BATCH_SIZE, verbose=0),
            len(batches),
        ),
    }


def measure(rows):
    """Train every row in turn, ROUNDS times, and print the median, fastest and slowest milliseconds of a step."""
    times = {name: [] for name in rows}
    for train, _ in rows.values():
        train()
    for _ in range(ROUNDS):
        for name, (train, steps) in rows.items():
            start = time.perf_counter()
            train()
            times[name].append(1000 * (time.perf_counter() - start) / steps)
    print(
        f"\n| training step ({keras.backend.backend()}) | median ms | fastest | slowest |\n| --- | ---: | ---: | ---: |"
    )
    for name, values in times.items():
        print(f"| {name} | {statistics.median(values):.3g} | {min(values):.3g} | {max(values):.3g} |")


def main(names):
    """Print the tables that are asked for."""
    tables = {"gan": gan_rows, "text": text_rows}
    for name in names or tables:
        measure(tables[name]())


if __name__ == "__main__":
    main(sys.argv[1:])
