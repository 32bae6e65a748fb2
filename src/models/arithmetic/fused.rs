//! Linear maps by `fused.wat`, where whoever runs this program has brought that module to run in its memory.

use std::cell::OnceCell;

use wide::f32x4;

use super::panels::{VECTORS, WIDTH};

/// The module, assembled: what it imports and exports stands there.
pub const MODULE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/fused.wasm"));

/// Rows that it computes together.
pub(crate) const ROWS: usize = 6;

/// Calls its `multiply`; whether that went well.
type Multiply = dyn Fn([usize; 8]) -> bool;

thread_local! {
    static MULTIPLY: OnceCell<Box<Multiply>> = const { OnceCell::new() };
}

/// From now on linear maps call `multiply` with the arguments of the module's function of that name, where addresses are those
/// of this program. It tells whether that went well; if not, they are computed without it.
pub fn multiply_by(multiply: impl Fn([usize; 8]) -> bool + 'static) {
    // A second one is not needed: there is one memory.
    let _ = MULTIPLY.with(|known| known.set(Box::new(multiply)));
}

/// Whether there is such a function.
pub(crate) fn is_there() -> bool {
    MULTIPLY.with(|known| known.get().is_some())
}

/// Whole panels, `[panel, input]`, by rows of x, `[six, input, row of the six]`, onto rows of `y` that lie `stride` apart. Whether
/// it was done.
pub(crate) fn multiply(
    x: &[f32],
    weights: &[[f32x4; VECTORS]],
    inputs: usize,
    bias: &[f32],
    y: &mut [f32],
    stride: usize,
) -> bool {
    let (sixes, panels) = (x.len() / (ROWS * inputs), weights.len() / inputs);
    // The module knows nothing of slices, and does everything once at least.
    let last = (sixes * ROWS).saturating_sub(1) * stride + panels * WIDTH;
    if sixes == 0 || panels == 0 || bias.len() < panels * WIDTH || y.len() < last {
        return false;
    }
    let arguments = [
        x.as_ptr().expose_provenance(),
        sixes,
        weights.as_ptr().expose_provenance(),
        panels,
        inputs,
        bias.as_ptr().expose_provenance(),
        y.as_mut_ptr().expose_provenance(),
        stride * size_of::<f32>(),
    ];
    MULTIPLY.with(|known| known.get().is_some_and(|multiply| multiply(arguments)))
}

#[cfg(test)]
mod tests {
    use wasmi::{Engine, Linker, Memory, MemoryType, Module, Store};

    use super::*;
    use crate::{Panels, noise};

    /// What the module makes of x, `[six, input, row of the six]`, weights, `[panel, input, 8]`, and a bias, in rows of `stride`.
    fn computed(x: &[f32], weights: &[f32], bias: &[f32], inputs: usize, stride: usize) -> Vec<f32> {
        let (sixes, panels) = (x.len() / (ROWS * inputs), bias.len() / WIDTH);
        let y = vec![-7.0; sixes * ROWS * stride];
        let (mut memory, mut addresses) = (vec![0.0; 4], Vec::new());
        for numbers in [x, weights, bias, &y] {
            addresses.push((memory.len() * 4) as i32);
            memory.extend_from_slice(numbers);
        }
        let bytes: Vec<u8> = memory.iter().flat_map(|number| number.to_le_bytes()).collect();

        let engine = Engine::default();
        let mut store = Store::new(&engine, ());
        let pages = bytes.len().div_ceil(65_536) as u32;
        let room = Memory::new(&mut store, MemoryType::new(pages, None)).unwrap();
        room.write(&mut store, 0, &bytes).unwrap();
        let mut linker = Linker::new(&engine);
        linker.define("cloze", "memory", room).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        let instance = linker.instantiate_and_start(&mut store, &module).unwrap();
        let multiply =
            instance.get_typed_func::<(i32, i32, i32, i32, i32, i32, i32, i32), ()>(&store, "multiply");
        let counts = [sixes, panels, inputs, stride * 4].map(|count| count as i32);
        let arguments = (
            addresses[0],
            counts[0],
            addresses[1],
            counts[1],
            counts[2],
            addresses[2],
            addresses[3],
            counts[3],
        );
        multiply.unwrap().call(&mut store, arguments).unwrap();

        let mut bytes = vec![0; y.len() * 4];
        room.read(&store, addresses[3] as usize, &mut bytes).unwrap();
        bytes.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number)).collect()
    }

    #[test]
    fn the_module_computes_what_panels_do() {
        for (sixes, inputs, panels, more) in
            [(1, 1, 1, 0), (1, 3, 2, 5), (2, 33, 1, 1), (5, 64, 7, 0), (11, 7, 3, 8)]
        {
            let (rows, outputs) = (sixes * ROWS, panels * WIDTH);
            let (x, weights, bias) = (noise(rows * inputs), noise(inputs * outputs), noise(outputs));
            let mut expected = vec![0.0; rows * outputs];
            Panels::new(inputs, outputs, |input, output| weights[input * outputs + output]).multiply(
                &x,
                &bias,
                &mut expected,
            );

            let at = |six: usize, input: usize, row: usize| x[(six * ROWS + row) * inputs + input];
            let columns =
                (0..sixes).flat_map(|six| (0..inputs * ROWS).map(move |i| (six, i / ROWS, i % ROWS)));
            let x: Vec<f32> = columns.map(|(six, input, row)| at(six, input, row)).collect();
            let of_panel =
                (0..panels).flat_map(|panel| (0..inputs * WIDTH).map(move |i| (panel, i / WIDTH, i % WIDTH)));
            let weights: Vec<f32> = of_panel
                .map(|(panel, input, lane)| weights[input * outputs + panel * WIDTH + lane])
                .collect();
            let stride = outputs + more;
            let y = computed(&x, &weights, &bias, inputs, stride);
            for (row, (y, expected)) in y.chunks(stride).zip(expected.chunks(outputs)).enumerate() {
                for (output, (y, expected)) in y.iter().zip(expected).enumerate() {
                    assert!(
                        (y - expected).abs() <= 1e-6 * inputs as f32,
                        "{row}, {output}: {y} for {expected}"
                    );
                }
                assert!(y[outputs..].iter().all(|beyond| *beyond == -7.0), "{row}: written beyond the row");
            }
        }
    }
}
