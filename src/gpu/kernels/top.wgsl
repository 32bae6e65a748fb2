// The best of each row of logits, and what softmax needs to give them probabilities, so that nobody has to read the
// whole row.
//
// Shapes: logits [row, vocabulary] -> best [row, LIST], by way of maxima [row, group] and parts [row, part, 4].
// Of equal logits the lower id comes first. A list has LIST numbers: the largest logit, the sum of e^(logit - largest),
// the same at the run's temperature, how many logits are no finite numbers, the TOP best logits, and their ids as
// numbers, which f32 holds exactly up to 2^24. (As bits they would be denormal, and a GPU may take those for 0.)
//
// There are two steps, since workgroups cannot wait for each other. The first (top_part.wgsl) reads all logits, and
// leaves the largest of each group of GROUP neighbours. The TOP best logits lie in the TOP groups with the best of
// these: were one of them in another group, each of those groups would hold a better one. So the second step
// (top_row.wgsl) sorts a sixteenth of the row and what those groups hold, and nothing else (Gaihre et al. 2021,
// "Dr. Top-k: delegate-centric top-k on GPUs").

struct Shape {
    vocabulary: u32,
    // Where things begin in `arena`.
    logits: u32,
    maxima: u32,
    parts: u32,
    best: u32,
    // Where entries are sorted, if not in memory that invocations share.
    sorted: u32,
}

// e^difference at temperature 1 and at the run's. The bounds keep infinities out, about which GPUs may do as they like;
// e^-100 adds nothing to a sum that begins with e^0.
fn weights_of(difference: f32) -> vec2<f32> {
    let finite = max(difference, LOWEST);
    let heated = finite * bitcast<f32>(run[RUN_INVERSE_TEMPERATURE]);
    return exp(max(vec2<f32>(finite, heated), vec2<f32>(-100.0)));
}
