//! Cases of the kernels' tests as files, so that `tests/browser/kernels.test.mjs` has Chromium run the very same programs on
//! the very same numbers, and compares what comes out with the same twin.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize_to_file};

use super::{Case, UNTOUCHED, source};

/// The folder to write to; without one nothing is written.
const FOLDER: &str = "CLOZE_KERNELS";

/// Writes a case, with the arena and the trace that its twin left.
pub(super) fn record(case: &Case, arena: &[f32], trace: &[f32]) {
    static WRITTEN: AtomicUsize = AtomicUsize::new(0);
    let Some(folder) = std::env::var_os(FOLDER).filter(|folder| !folder.is_empty()) else { return };
    let folder = PathBuf::from(folder);
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let parts = [
        ("arena", bits(&case.arena)),
        ("weights", case.weights.words.clone()),
        ("vectors", bits(&case.vectors)),
        ("shape", case.shape.clone()),
        ("run", case.run.words().to_vec()),
        ("after", bits(&[arena, trace].concat())),
    ];
    let views = parts.iter().map(|(name, words)| {
        let view = TensorView::new(Dtype::U32, vec![words.len()], bytemuck::cast_slice(words));
        (*name, view.expect("as many bytes as the shape says"))
    });
    let regions = case.regions.iter().map(|region| (region.what, region.begin, region.end, region.step));
    let text = source(case.op, case.weights.layout.weight_type, &case.widths);
    let metadata = HashMap::from([
        ("source".to_owned(), text),
        ("grid".to_owned(), format!("{},{}", case.grid[0], case.grid[1])),
        ("regions".to_owned(), serde_json::json!(regions.collect::<Vec<_>>()).to_string()),
        ("untouched".to_owned(), UNTOUCHED.to_string()),
    ]);
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let file = folder.join(format!("{}-{number:05}.safetensors", case.op.name()));
    serialize_to_file(views, Some(metadata), &file)
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}
