// A linear map with all that stands around it in a transformer block, in one pass (Vaswani et al. 2017):
//
//     y = activation(norm(x) · W + b) + residual
//
// Shapes: x [rows, inputs], W [inputs, outputs], b [outputs], y [rows, outputs]. Norm, activation and residual may be
// missing. This file holds what all forms of the kernel share: tiles of rows and columns for a text (linear_tile.wgsl on a
// GPU, linear_tile_software.wgsl), single rows where there are few (linear_vector.wgsl).
//
// The layer norm (Ba et al. 2016) costs no pass of its own. With a row's mean m, the reciprocal s of its standard
// deviation, and the norm's gamma and beta,
//
//     norm(x) · W + b  =  s * ((gamma * x) · W  -  m * (gamma · W))  +  (beta · W + b)
//
// Both brackets that lack x are known when the model is loaded (`gamma_weights`, `bias`), and m and s come from two
// sums over the row.

struct Shape {
    inputs: u32,
    outputs: u32,
    // Which rows: see `row_in`.
    rows: u32,
    // Where things begin in `arena`.
    x: u32,
    y: u32,
    // From one row of y to the next.
    stride: u32,
    // Where things begin in `vectors`; NONE where there is none.
    bias: u32,
    scale: u32,
    gamma: u32,
    gamma_weights: u32,
    epsilon: f32,
    activation: u32,
    // What is added, in `arena`; NONE where nothing is. BERT adds the norm of it: then gamma, beta and statistics.
    residual: u32,
    residual_gamma: u32,
    residual_beta: u32,
    residual_stats: u32,
    // Where this map's norm leaves each row's mean and reciprocal deviation, in `arena`, or NONE.
    stats: u32,
    // Where `run` says where the map goes before the residual is added, or NONE.
    want: u32,
    // Queries, keys and values come from one map: where keys begin, one dimension after the other, and values, one
    // position after the other. NONE for any other map.
    keys: u32,
    values: u32,
    // Positions that there is room for: keys of a dimension are so many, and in `run` predicted positions stand twice as far
    // behind ids.
    capacity: u32,
}

@group(0) @binding(0) var<storage, read_write> arena: array<f32>;
@group(0) @binding(2) var<storage, read> vectors: array<f32>;
@group(0) @binding(3) var<uniform> shape: Shape;
@group(0) @binding(4) var<storage, read> run: array<u32>;
@group(0) @binding(5) var<storage, read_write> trace: array<f32>;

// The weights of input `k` for the four columns of a lane.
fn weights_of(k: u32, group: u32, lane: u32) -> vec4<f32> {
    return opened(weights[weights_at(k, shape.inputs, group * LANES + lane)]);
}

// Whether x is normalised.
fn normed() -> bool {
    return shape.gamma != NONE;
}

// The norm's gamma of input `k`, or 1 without a norm. It is asked for in the loops of products, where a branch costs software
// as much again as the loop.
fn gamma_of(k: u32, norm: bool) -> f32 {
    return select(1.0, vectors[select(0u, shape.gamma + k, norm)], norm);
}

// How many rows there are.
fn row_count() -> u32 {
    switch shape.rows {
        case ROWS_NEW: { return run[RUN_ROWS]; }
        case ROWS_FIRST: { return 1u; }
        default: { return run[RUN_PREDICTED]; }
    }
}

// The row of x behind row `r`: the positions that are computed in this run, the predicted ones among them, or what
// was gathered of those.
fn row_in(r: u32) -> u32 {
    switch shape.rows {
        case ROWS_NEW: { return run[RUN_PAST] + r; }
        case ROWS_PREDICTED: { return run[RUN_IDS + 2u * shape.capacity + r]; }
        default: { return r; }
    }
}

// The row of y that row `r` becomes.
fn row_out(r: u32) -> u32 {
    return r + select(0u, run[RUN_PAST], shape.rows == ROWS_NEW);
}

// Abramowitz and Stegun 7.1.26: off by 1.5e-7 at most.
fn erf(x: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.3275911 * abs(x));
    let series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
    return sign(x) * (1.0 - series * exp(-x * x));
}

// The hyperbolic tangent; some drivers overflow where it is flat.
fn safe_tanh(x: f32) -> f32 {
    return tanh(clamp(x, -12.0, 12.0));
}

// By its bits: a compiler may take for granted that there is no NaN.
fn is_nan(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

// Of any number but NaN, which `max` and `clamp` may make one of their bounds.
fn activate(x: f32) -> f32 {
    switch shape.activation {
        // Hendrycks and Gimpel 2016, exactly and by a hyperbolic tangent.
        case GELU: { return 0.5 * x * (1.0 + erf(x * 0.70710678)); }
        case GELU_TANH: { return 0.5 * x * (1.0 + safe_tanh(0.79788456 * (x + 0.044715 * x * x * x))); }
        case RELU: { return max(x, 0.0); }
        case SILU: { return x / (1.0 + exp(-x)); }
        case TANH: { return safe_tanh(x); }
        default: { return x; }
    }
}

// Means of up to four rows, and the reciprocals of their standard deviations.
struct Statistics {
    mean: vec4<f32>,
    inverse: vec4<f32>,
}

// From the sums of rows and the sums of their squares, which one pass over x gives. A row whose mean is c standard deviations
// away from zero pays for that with precision: numbers of 1 + c * c variances are subtracted here, so that what rounding did to
// them, 6e-8 and more the longer the sums are, weighs 1 + c * c times as much. The deviations of 1100 inputs, added one after
// the other, are off by 1e-6 at c = 0, by 4e-5 at c = 3 and by 2e-4 at c = 10. That suffices: the residual streams of the
// page's models have c below 0.25, those of the narrow random models in tests/golden below 0.8. Far beyond 3, a second pass
// over x would have to be made.
fn statistics(sum: vec4<f32>, squares: vec4<f32>) -> Statistics {
    let mean = sum / f32(shape.inputs);
    // Rounding may leave less than nothing. `max` would mend that too, but may take NaN for 0.
    let variance = abs(squares / f32(shape.inputs) - mean * mean);
    return Statistics(mean, inverseSqrt(variance + shape.epsilon));
}

// Takes the products of `count` rows from row `r` on with the column of `output` to their places; there may be four. `stats`
// are those rows', where x is normalised.
fn finish(r: u32, count: u32, output: u32, products: vec4<f32>, stats: Statistics) {
    var mapped = products;
    if (shape.scale != NONE) {
        mapped *= vectors[shape.scale + output];
    }
    if (normed()) {
        mapped = stats.inverse * (mapped - stats.mean * vectors[shape.gamma_weights + output]);
    }
    if (shape.bias != NONE) {
        mapped += vectors[shape.bias + output];
    }

    // Where the column goes, how far one row is from the next there, and where what is traced of it goes.
    var at = shape.y + output;
    var stride = shape.stride;
    var want = NONE;
    if (shape.want != NONE) {
        want = run[shape.want];
    }
    var width = shape.outputs;
    var d = output;
    if (shape.keys != NONE) {
        width = shape.outputs / 3u;
        let part = output / width;
        d = output - part * width;
        if (part == 1u) {
            // Keys lie with all positions of a dimension side by side: attention reads them so.
            at = shape.keys + d * shape.capacity;
            stride = 1u;
        } else {
            at = select(shape.y, shape.values, part == 2u) + d;
            stride = width;
            want = NONE;
        }
    }

    // What is long to compile stands in a loop, so that it is compiled for one number and not for four.
    let first = row_out(r);
    for (var i = 0u; i < count; i++) {
        let row = first + i;
        if (output == 0u && shape.stats != NONE) {
            // One column leaves them, for those who add the rows.
            arena[shape.stats + row * 2u] = stats.mean[i];
            arena[shape.stats + row * 2u + 1u] = stats.inverse[i];
        }
        var y = select(activate(mapped[i]), mapped[i], is_nan(mapped[i]));
        if (want != NONE) {
            trace[want + (r + i) * width + d] = y;
        }
        if (shape.residual != NONE) {
            var x = arena[shape.residual + row * stride + output];
            if (shape.residual_gamma != NONE) {
                let own = shape.residual_stats + row * 2u;
                x = (x - arena[own]) * arena[own + 1u] * vectors[shape.residual_gamma + output]
                    + vectors[shape.residual_beta + output];
            }
            y += x;
        }
        arena[at + row * stride] = y;
    }
}
