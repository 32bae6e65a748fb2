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
    // Columns of W with those that fill up its last workgroup.
    padded: u32,
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

// Whether x is normalised.
fn normed() -> bool {
    return shape.gamma != NONE;
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
fn erf(x: vec4<f32>) -> vec4<f32> {
    let t = 1.0 / (1.0 + 0.3275911 * abs(x));
    let series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
    return sign(x) * (1.0 - series * exp(-x * x));
}

// The hyperbolic tangent; some drivers overflow where it is flat.
fn safe_tanh(x: vec4<f32>) -> vec4<f32> {
    return tanh(clamp(x, vec4<f32>(-12.0), vec4<f32>(12.0)));
}

fn activate(x: vec4<f32>) -> vec4<f32> {
    switch shape.activation {
        // Hendrycks and Gimpel 2016, exactly and by a hyperbolic tangent.
        case GELU: { return 0.5 * x * (1.0 + erf(x * 0.70710678)); }
        case GELU_TANH: { return 0.5 * x * (1.0 + safe_tanh(0.79788456 * (x + 0.044715 * x * x * x))); }
        case RELU: { return max(x, vec4<f32>(0.0)); }
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

// From the sums of rows and the sums of their squares.
fn statistics(sum: vec4<f32>, squares: vec4<f32>) -> Statistics {
    let mean = sum / f32(shape.inputs);
    let variance = max(squares / f32(shape.inputs) - mean * mean, vec4<f32>(0.0));
    return Statistics(mean, inverseSqrt(variance + shape.epsilon));
}

// Leaves the statistics of row `r` for those who add the row.
fn keep(r: u32, mean: f32, inverse: f32) {
    if (shape.stats != NONE) {
        arena[shape.stats + row_out(r) * 2u] = mean;
        arena[shape.stats + row_out(r) * 2u + 1u] = inverse;
    }
}

// Takes the products of rows `r` to `r + 3` with the column of `output` to their places; only `count` rows are there.
fn finish(r: u32, count: u32, output: u32, products: vec4<f32>, stats: Statistics) {
    var y = products;
    if (shape.scale != NONE) {
        y *= vectors[shape.scale + output];
    }
    if (normed()) {
        y = stats.inverse * (y - stats.mean * vectors[shape.gamma_weights + output]);
    }
    if (shape.bias != NONE) {
        y += vectors[shape.bias + output];
    }
    if (shape.activation != 0u) {
        y = activate(y);
    }

    // Where the column goes, how far one row is from the next there, and whether it is one that may be traced.
    var at = shape.y + output;
    var row = shape.stride;
    var traced = shape.want;
    var trace_at = output;
    if (shape.keys != NONE) {
        let hidden = shape.outputs / 3u;
        let part = output / hidden;
        let d = output - part * hidden;
        row = hidden;
        trace_at = d;
        if (part == 0u) {
            at = shape.y + d;
            traced = NONE;
        } else if (part == 1u) {
            // Keys lie with all positions of a dimension side by side: attention reads them so.
            at = shape.keys + d * CAPACITY;
            row = 1u;
        } else {
            at = shape.values + d;
            traced = NONE;
        }
    }
    if (traced != NONE) {
        let want = run[RUN_WANTS + traced];
        if (want != NONE) {
            let width = select(shape.outputs, shape.outputs / 3u, shape.keys != NONE);
            var values = y;
            for (var i = 0u; i < count; i++) {
                trace[want + trace_at + (r + i) * width] = values[i];
            }
        }
    }

    let first = row_out(r);
    if (shape.residual != NONE) {
        let base = shape.residual + output + first * row;
        // Rows that are not there are read as the last one is, and dropped.
        let second = min(1u, count - 1u);
        let third = min(2u, count - 1u);
        let fourth = min(3u, count - 1u);
        var x = vec4<f32>(
            arena[base], arena[base + second * row], arena[base + third * row], arena[base + fourth * row],
        );
        if (shape.residual_gamma != NONE) {
            let stats = shape.residual_stats + first * 2u;
            let mean = vec4<f32>(
                arena[stats], arena[stats + second * 2u], arena[stats + third * 2u], arena[stats + fourth * 2u],
            );
            let inverse = vec4<f32>(
                arena[stats + 1u],
                arena[stats + second * 2u + 1u],
                arena[stats + third * 2u + 1u],
                arena[stats + fourth * 2u + 1u],
            );
            x = (x - mean) * inverse * vectors[shape.residual_gamma + output] + vectors[shape.residual_beta + output];
        }
        y += x;
    }
    at += first * row;
    arena[at] = y.x;
    if (count > 1u) {
        arena[at + row] = y.y;
    }
    if (count > 2u) {
        arena[at + 2u * row] = y.z;
    }
    if (count > 3u) {
        arena[at + 3u * row] = y.w;
    }
}
