// Softmax and cross-entropy of samples, as src/objective/cross_entropy.rs defines it, whose constants these are. A kernel
// says what `Samples`, `Labels` and `Wholes` are: one value each, or vectors of them. Differences are products with -1, as in
// margin.wgsl.

// `sum` with what an output adds, which is at most `largest`.
fn add_exponential(sum: Samples, output: Samples, largest: Samples) -> Samples {
    let below = min(fma(output, Samples(-1.0), largest), Samples(CUT));
    let scaled = fma(below, Samples(LOG2_E), Samples(0.0));
    let whole = floor(scaled);
    let part = fma(whole, Samples(-1.0), scaled);
    var power = Samples(POWER_6);
    power = fma(power, part, Samples(POWER_5));
    power = fma(power, part, Samples(POWER_4));
    power = fma(power, part, Samples(POWER_3));
    power = fma(power, part, Samples(POWER_2));
    power = fma(power, part, Samples(POWER_1));
    power = fma(power, part, Samples(POWER_0));
    let scale = bitcast<Samples>((Labels(127u) - Labels(whole)) << Labels(23u));
    return fma(power, scale, sum);
}

// The loss in whole steps, of which padding has none; `right` is the output of the right class.
fn cross_entropy_steps(sum: Samples, largest: Samples, right: Samples, label: Labels) -> Labels {
    let bits = bitcast<Labels>(sum);
    let fraction = bits & Labels(0x7fffffu);
    let is_upper = bitcast<Samples>(fraction | Labels(0x3f800000u)) > Samples(SQRT_2);
    // In whole numbers: compilers multiply out what is done with constants, and sum up in another order.
    let exponent = Wholes(bits >> Labels(23u)) - select(Wholes(127), Wholes(126), is_upper);
    let above = Samples(Wholes(fraction) - select(Wholes(0), Wholes(0x800000), is_upper))
        * select(Samples(0x1p-23f), Samples(0x1p-24f), is_upper);
    var quotient = Samples(LOGARITHM_7);
    quotient = fma(quotient, above, Samples(LOGARITHM_6));
    quotient = fma(quotient, above, Samples(LOGARITHM_5));
    quotient = fma(quotient, above, Samples(LOGARITHM_4));
    quotient = fma(quotient, above, Samples(LOGARITHM_3));
    quotient = fma(quotient, above, Samples(LOGARITHM_2));
    quotient = fma(quotient, above, Samples(LOGARITHM_1));
    quotient = fma(quotient, above, Samples(LOGARITHM_0));
    let of_mantissa = Wholes(floor(fma(above, quotient, Samples(0.0)) * STEPS_PER_NAT));
    let of_sum = Labels(exponent * Wholes(STEPS_OF_LN_2) + of_mantissa);
    let distance = min(fma(right, Samples(-1.0), largest), Samples(FARTHEST));
    let steps = of_sum + Labels(distance * STEPS_PER_NAT);
    return select(steps, Labels(0u), label == Labels(NO_CLASS));
}
