//! Linear maps, with all that stands around them, in all their forms.

use super::*;
use crate::checkpoint::Activation;
use crate::gpu::kernels::linear::Rows;

/// All that these kernels are made for.
const WIDTHS: [Widths; 3] = [Widths::NARROW, Widths::NARROW_SUBGROUPS, Widths::WIDE];
/// How many positions stand before those of a run.
const PAST: usize = 2;

/// A linear map of some rows.
#[derive(Clone, Copy, Debug)]
struct Map {
    which: Rows,
    rows: usize,
    /// Inputs and outputs.
    size: [usize; 2],
    weight_type: WeightType,
    widths: Widths,
    one_by_one: bool,
}

impl Map {
    /// For so many rows each, maps by every type of weights and in every form.
    fn all(which: Rows, rows: &[usize], size: [usize; 2]) -> impl Iterator<Item = Map> {
        types_and(&WIDTHS).flat_map(move |(weight_type, widths)| {
            rows.iter().flat_map(move |&rows| {
                let forms = [true, false].into_iter();
                // Few rows come in both forms.
                let forms = forms.filter(move |one_by_one| !one_by_one || widths.one_by_one(rows, rows));
                forms.map(move |one_by_one| Map { which, rows, size, weight_type, widths, one_by_one })
            })
        })
    }

    /// Checks the map of noise, and what `more` adds to it.
    fn check(self, kernels: &Kernels, more: impl FnOnce(&mut linear::Shape, &mut Room, &Stored)) {
        self.check_of(kernels, |_| {}, more);
    }

    /// Checks the map of what `change` makes of noise, and what `more` adds to it.
    fn check_of(
        self,
        kernels: &Kernels,
        change: impl FnOnce(&mut [f32]),
        more: impl FnOnce(&mut linear::Shape, &mut Room, &Stored),
    ) {
        let Map { which, rows, size: [inputs, outputs], weight_type, widths, one_by_one } = self;
        // Every other position is predicted.
        let new = if which == Rows::New { rows } else { 2 * rows - 1 };
        let predict: Vec<u32> = (PAST..PAST + new).rev().step_by(2).map(|row| row as u32).collect();
        let capacity = PAST + new + 3;
        let mut run = run(capacity, 1, PAST, new, &predict);
        let weights = matrix(inputs, outputs, &widths, weight_type);
        let mut room = Room { vectors: weights.scales.clone(), ..Room::new(capacity) };
        let x = room.rows("x", inputs);
        let mut shape = linear::Shape::new(&weights.layout, &run.layout, which, x, 0);
        if weight_type == WeightType::Int8 {
            shape.scale = 0;
        }
        more(&mut shape, &mut room, &weights);
        shape.y = room.rows("y", shape.stride as usize);
        if shape.want != NONE {
            run.want(shape.want, room.trace("traced", 1, rows * outputs));
        }
        let (op, grid) = shape.launch(&widths, rows, one_by_one);
        let mut arena = filled(room.arena, 5);
        change(&mut arena[x as usize..][..capacity * inputs]);
        let (words, trace, regions, vectors) = (shape.words(), room.trace, room.regions(), room.vectors);
        let case = Case { op, grid, shape: words, weights, vectors, arena, trace, regions, run, widths };
        kernels.check(&format!("{self:?}, {shape:?}"), &case, |memory| linear::twin(&shape, memory));
    }
}

/// Where a run of [`Map::check`] says where the map is traced.
fn traced(room: &Room) -> u32 {
    RunLayout { capacity: room.capacity, wants: 1, heads: 2 }.slot(0)
}

/// Puts a norm before the map: for each output the sum of its weights times gamma, and a bias with beta in it.
fn normed(shape: &mut linear::Shape, room: &mut Room, weights: &Stored) {
    let (inputs, outputs) = (shape.inputs as usize, shape.outputs as usize);
    let product = |x: &[f32], output: usize| {
        let products = x.iter().enumerate().map(|(k, x)| x * weights.opened(k, output));
        products.sum::<f32>() * weights.scale(output)
    };
    let [gamma, beta, bias] =
        [(inputs, 9), (inputs, 10), (outputs, 11)].map(|(count, seed)| filled(count, seed));
    let all = |x: &[f32]| (0..outputs).map(|output| product(x, output)).collect::<Vec<_>>();
    let with_beta: Vec<f32> = all(&beta).iter().zip(bias).map(|(beta, bias)| beta + bias).collect();
    shape.gamma = room.vector(&gamma);
    shape.gamma_weights = room.vector(&all(&gamma));
    shape.bias = room.vector(&with_beta);
    shape.epsilon = 1e-5;
    shape.stats = room.statistics();
}

#[test]
fn linear_maps_equal_their_twin() {
    let kernels = Kernels::new();
    let check = |map: Map| {
        map.check(&kernels, |shape, room, _| {
            shape.bias = room.vector(&filled(map.size[1], 8));
            shape.want = traced(room);
        });
    };
    for size in [[1, 1], [5, 3], [18, 70], [50, 36], [33, 129]] {
        Map::all(Rows::New, &ROWS, size).for_each(check);
    }
    // The most rows that are computed one by one, and more inputs than a workgroup then has invocations.
    for size in [[1100, 70], [300, 5], [1024, 8]] {
        Map::all(Rows::New, &[1, 2, 16], size).for_each(check);
    }
}

#[test]
fn norms_residuals_and_activations_equal_their_twin() {
    let kernels = Kernels::new();
    for (activation, size, added_is_normed) in [
        (Activation::Gelu, [36, 36], true),
        (Activation::GeluTanh, [50, 12], false),
        (Activation::Relu, [18, 70], true),
        (Activation::Silu, [5, 5], false),
        (Activation::Tanh, [66, 9], true),
    ] {
        let few = Map::all(Rows::New, &[2, 16], [1100, 9]);
        for map in Map::all(Rows::New, &ROWS, size).chain(few) {
            map.check(&kernels, |shape, room, weights| {
                normed(shape, room, weights);
                *shape = shape.activated(Some(activation));
                let outputs = shape.outputs as usize;
                shape.residual = room.rows("residual", outputs);
                if added_is_normed {
                    shape.residual_stats = room.statistics();
                    shape.residual_gamma = room.vector(&filled(outputs, 12));
                    shape.residual_beta = room.vector(&filled(outputs, 13));
                }
                shape.want = traced(room);
            });
        }
    }
}

#[test]
fn queries_keys_and_values_go_to_their_places() {
    let kernels = Kernels::new();
    for hidden in [5, 18, 36, 50] {
        for map in Map::all(Rows::New, &ROWS, [hidden, 3 * hidden]) {
            map.check(&kernels, |shape, room, weights| {
                // GPT's are of a norm.
                if hidden % 4 == 2 {
                    normed(shape, room, weights);
                }
                shape.keys = room.rows("keys", hidden);
                shape.values = room.rows("values", hidden);
                shape.want = traced(room);
            });
        }
    }
}

#[test]
fn heads_read_the_rows_they_are_for() {
    let kernels = Kernels::new();
    let several =
        [Rows::Predicted, Rows::Gathered].into_iter().flat_map(|which| Map::all(which, &ROWS, [50, 151]));
    for map in several.chain(Map::all(Rows::First, &[1], [18, 18])) {
        map.check(&kernels, |shape, room, weights| {
            if map.which == Rows::Predicted {
                normed(shape, room, weights);
                shape.stats = NONE;
            }
            // Beside its own part of a row there is another's.
            shape.stride += 5;
        });
    }
}

#[test]
fn means_far_from_zero_are_taken_off() {
    let kernels = Kernels::new();
    // How many deviations of a row its mean is away from zero: `statistics` in linear.wgsl says what that costs.
    for ratio in [1.0, 3.0] {
        for size in [[50, 36], [1100, 9]] {
            let shift = |x: &mut [f32]| {
                for (row, x) in x.chunks_mut(size[0]).enumerate() {
                    // The deviation of noise is the root of a third.
                    let mean = if row % 2 == 0 { ratio } else { -ratio } / 3.0_f32.sqrt();
                    x.iter_mut().for_each(|x| *x += mean);
                }
            };
            for map in Map::all(Rows::New, &[2, 17], size).filter(|map| map.weight_type == WeightType::F32) {
                map.check_of(&kernels, shift, normed);
            }
        }
    }
}

#[test]
fn what_is_no_number_stays_none() {
    let kernels = Kernels::new();
    let size = [18, 10];
    let activations =
        [Activation::Gelu, Activation::GeluTanh, Activation::Relu, Activation::Silu, Activation::Tanh];
    for activation in activations.map(Some).into_iter().chain([None]) {
        for norm in [false, true] {
            for map in Map::all(Rows::New, &[2, 9], size).filter(|map| map.weight_type == WeightType::F32) {
                // In the last row but one, whose outputs are NaN by the twin, and no others.
                let flaw = |x: &mut [f32]| x[(PAST + map.rows - 2) * size[0] + 7] = f32::NAN;
                map.check_of(&kernels, flaw, |shape, room, weights| {
                    if norm {
                        normed(shape, room, weights);
                    }
                    *shape = shape.activated(activation);
                    shape.residual = room.rows("residual", size[1]);
                    shape.want = traced(room);
                });
            }
        }
    }
}
