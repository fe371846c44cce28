// The margin loss of samples, as src/objective/margin.rs defines it. A kernel says what `Samples` and `Labels` are:
// one value each, or vectors of them.

struct Margin {
    tau: f32,
    // Steps per unit of squared hinge, a power of two.
    scale: f32,
    // A hinge of this much saturates; it is cut there, so that no infinity arises.
    enough: f32,
}

// What an output may reach without a loss, the right one being `right`.
fn least_of(right: Samples, margin: Margin) -> Samples {
    return right - Samples(margin.tau);
}

// By how much an output exceeds that. A product with -1 is exact: this is `output - least`, bit for bit, in a form in
// which no compiler that takes sums for associative finds `output - right + tau`.
fn hinge_of(output: Samples, least: Samples, margin: Margin) -> Samples {
    return min(max(fma(least, Samples(-1.0), output), Samples(0.0)), Samples(margin.enough));
}

// `loss` with what the output of `class_index` adds, which is nothing if that is the right one.
fn add_class(
    loss: Samples, output: Samples, least: Samples, class_index: u32, label: Labels, margin: Margin
) -> Samples {
    let hinge = hinge_of(output, least, margin);
    return select(fma(hinge, hinge, loss), loss, label == Labels(class_index));
}

// The loss in whole steps, of which padding has none.
fn steps_of(loss: Samples, label: Labels, margin: Margin) -> Labels {
    let steps = Labels(min(loss * margin.scale, Samples(LIMIT)));
    return select(steps, Labels(0u), label == Labels(NO_CLASS));
}
