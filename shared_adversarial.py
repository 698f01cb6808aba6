"""What adversarial networks share beyond the plain loss: what makes them steady, and a network held still."""

import keras
from keras import ops


def held_still(network, inputs, training):
    """Return what a network makes of `inputs` with its weights as constants, so that gradients reach `inputs` alone.

    Its state, of normalisation or dropout, stays as it was.
    """
    constants = [ops.stop_gradient(weight.value) for weight in network.trainable_variables]
    outputs, _ = network.stateless_call(constants, network.non_trainable_variables, inputs, training=training)
    return outputs


def squared_slopes(judge, pictures, logits, step, seed):
    """Return the squared length of the gradient of logits with respect to the pictures, estimated: (batch, 1).

    It is what the gradient penalties R1 and R2 cost. The difference that a step from N(0, step^2 I) makes, divided by
    `step` and squared, has it as its mean, as far as `judge` is linear there. Lin et al., "Diffusion Adversarial
    Post-Training", 2025, section 4.3; the cost is that of Mescheder et al., "Which Training Methods for GANs do
    actually Converge?", 2018.

    A step moves all pictures of a batch at once. Beside `with_deviation` it therefore also costs that the deviation of
    a batch, which noise always raises, changes a logit.

    Args:
        judge: function from pictures (batch, height, width, channels) to logits (batch, 1).
        pictures: as for `judge`.
        logits: what it makes of them.
        step: standard deviation of the step, in units of the pictures.
        seed: `keras.random.SeedGenerator` of the step.
    """
    moved = pictures + step * keras.random.normal(ops.shape(pictures), seed=seed)
    return ops.square((judge(moved) - logits) / step)


def with_deviation(features):
    """Return a discriminator's maps (batch, height, width, channels) with one more channel: how much the batch differs.

    It holds the standard deviation over the batch, averaged over channels and places (minibatch standard deviation:
    Karras et al., "Progressive Growing of GANs", 2018, section 3), so that a generator whose pictures are too much
    alike is found out. A picture's logit depends on the other pictures of its batch, then. The result is float32, as
    bfloat16 would lose small differences.
    """
    features = ops.cast(features, "float32")
    deviation = ops.mean(ops.sqrt(ops.var(features, axis=0) + keras.config.epsilon()))
    return ops.concatenate([features, deviation * ops.ones_like(features[..., :1])], axis=-1)


class Average(keras.layers.Layer):
    """Holds a copy of a network with an exponential moving average of its weights, moving statistics included.

    Karras et al., "Progressive Growing of GANs", 2018, appendix A. In the first steps the mean moves more, as the
    network began untrained: by the rule of TensorFlow's `ExponentialMovingAverage` for `num_updates`. As an attribute
    of a model it is in the model's checkpoints, and is not trained.

    Args:
        network: the network that is copied.
        momentum: share of the mean that stays in a step after the first ones.

    Attributes:
        network: the copy.
        steps: how often `follow` was called.
    """

    def __init__(self, network, momentum):
        super().__init__(trainable=False, name=f"average_{network.name}")
        self.network = keras.models.clone_model(network)
        self.network.set_weights(network.get_weights())
        self.network.trainable = False
        self.momentum = momentum
        self.steps = self.add_weight((), initializer="zeros", trainable=False, name="steps")
        self.built = True

    def follow(self, network):
        """Move the mean a little towards the weights of `network`, the one that was copied; call it in each step."""
        stays = ops.minimum(self.momentum, (1 + self.steps) / (10 + self.steps))
        for mean, weight in zip(self.network.weights, network.weights, strict=True):
            mean.assign(stays * mean + (1 - stays) * weight)
        self.steps.assign_add(1.0)
