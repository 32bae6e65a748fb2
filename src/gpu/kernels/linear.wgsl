// A linear map with all that stands around it in a transformer block, in one pass (Vaswani et al. 2017):
//
//     y = activation(norm(x) · W + b) + residual
//
// Shapes: x [rows, inputs], W [inputs, outputs], b [outputs], y [rows, outputs]. Norm, activation and residual may be
// missing. This file holds what both forms of the kernel share: tiles of eight rows (linear_tile.wgsl) for a text,
// single rows (linear_vector.wgsl) for one token at a time.
//
// The layer norm (Ba et al. 2016) costs no pass of its own. With a row's mean m, the reciprocal s of its standard
// deviation, and the norm's gamma and beta,
//
//     norm(x) · W + b  =  s * ((gamma * x) · W  -  m * (gamma · W))  +  (beta · W + b)
//
// Both brackets that lack x are known when the model is loaded (`gamma_weights`, `bias`), and m and s come from two
// sums that are taken along in the loop that reads x anyway.

struct Shape {
    inputs: u32,
    outputs: u32,
    // Workgroups along the outputs.
    column_groups: u32,
    // Which rows: see `row_in`.
    rows: u32,
    // Where things begin in `arena`.
    x: u32,
    y: u32,
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
    // Which entry of `wants` says where the map goes before the residual is added, or NONE.
    want: u32,
    // Queries, keys and values come from one map: where keys begin, one dimension after the other, and values, one
    // position after the other. NONE for any other map.
    keys: u32,
    values: u32,
}

@group(0) @binding(0) var<storage, read_write> arena: array<f32>;
@group(0) @binding(2) var<storage, read> vectors: array<f32>;
@group(0) @binding(3) var<uniform> shape: Shape;
@group(0) @binding(4) var<storage, read> run: array<u32>;
@group(0) @binding(5) var<storage, read_write> trace: array<f32>;

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
        case ROWS_PREDICTED: { return run[RUN_PREDICT + r]; }
        default: { return r; }
    }
}

// The row of y that row `r` becomes.
fn row_out(r: u32) -> u32 {
    if (shape.rows == ROWS_NEW) {
        return run[RUN_PAST] + r;
    }
    return r;
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

// Mean and reciprocal standard deviation from the sum of a row and the sum of its squares.
fn statistics(sum: f32, squares: f32) -> vec2<f32> {
    let mean = sum / f32(shape.inputs);
    let variance = max(squares / f32(shape.inputs) - mean * mean, 0.0);
    return vec2<f32>(mean, inverseSqrt(variance + shape.epsilon));
}

// Takes the product of row `r` with the column of `output` to its place.
fn finish(r: u32, output: u32, product: f32, stats: vec2<f32>) {
    let out = row_out(r);
    var y = product;
    if (shape.scale != NONE) {
        y *= vectors[shape.scale + output];
    }
    if (NORM) {
        y = stats.y * (y - stats.x * vectors[shape.gamma_weights + output]);
    }
    if (shape.bias != NONE) {
        y += vectors[shape.bias + output];
    }
    y = activate(y);

    if (shape.keys != NONE) {
        let hidden = shape.outputs / 3u;
        let part = output / hidden;
        let d = output % hidden;
        if (part == 0u) {
            arena[shape.y + out * hidden + d] = y;
        } else if (part == 1u) {
            // Keys lie with all positions of a dimension side by side: attention reads them so.
            arena[shape.keys + d * CAPACITY + out] = y;
            if (run[RUN_WANTS + shape.want] != NONE) {
                trace[run[RUN_WANTS + shape.want] + r * hidden + d] = y;
            }
        } else {
            arena[shape.values + out * hidden + d] = y;
        }
        return;
    }

    if (shape.want != NONE && run[RUN_WANTS + shape.want] != NONE) {
        trace[run[RUN_WANTS + shape.want] + r * shape.outputs + output] = y;
    }
    if (shape.residual != NONE) {
        var x = arena[shape.residual + out * shape.outputs + output];
        if (shape.residual_gamma != NONE) {
            let mean = arena[shape.residual_stats + out * 2u];
            let inverse = arena[shape.residual_stats + out * 2u + 1u];
            x = (x - mean) * inverse * vectors[shape.residual_gamma + output] + vectors[shape.residual_beta + output];
        }
        y += x;
    }
    arena[shape.y + out * shape.outputs + output] = y;
}
