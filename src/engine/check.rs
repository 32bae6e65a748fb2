//! The self-check: a fixed input is run and compared with reference values, so that a GPU that computes wrong numbers
//! is found out before anybody believes them.

use serde::Deserialize;

use super::protocol::SelfCheck;
use crate::trace::WeightType;

/// How far a value may lie from its reference, relative to the largest reference value (and at least to 1), where weights
/// are kept as precisely as in the file.
const TOLERANCE: f32 = 1e-3;

/// The same where they are rounded to half precision, and to 8 bits: that shows, but not as much as a GPU that computes
/// wrong numbers.
const HALVED: f32 = 1e-2;
const ROUNDED: f32 = 0.1;

/// Values that a right engine must find again: `selfcheck.json` beside an embedded model, made by Hugging Face's own
/// implementation (`tests/golden/make.py`). Other models have none.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Reference {
    /// The input.
    pub text: String,
    /// Logits of one position.
    pub logits: Expected,
}

/// Some entries of one row.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Expected {
    /// The row: a token position.
    pub position: usize,
    /// The columns.
    pub ids: Vec<usize>,
    /// Their values.
    pub values: Vec<f32>,
}

impl Reference {
    /// Reads `selfcheck.json`; none if it is not one.
    pub fn parse(json: &[u8]) -> Option<Reference> {
        let reference: Reference = serde_json::from_slice(json).ok()?;
        let Expected { ids, values, .. } = &reference.logits;
        (!ids.is_empty() && ids.len() == values.len()).then_some(reference)
    }

    /// Compares a row that an engine computed, all columns of it, with weights of this type from a file of that.
    pub(super) fn compare(&self, row: &[f32], weights: WeightType, file: WeightType) -> SelfCheck {
        let tolerance = match weights {
            WeightType::F32 => TOLERANCE,
            same if same == file => TOLERANCE,
            WeightType::F16 => HALVED,
            WeightType::Int8 => ROUNDED,
        };
        let Expected { ids, values, .. } = &self.logits;
        let largest = values.iter().fold(1.0_f32, |most, value| most.max(value.abs()));
        let found = |id: &usize| row.get(*id).copied().unwrap_or(f32::NAN);
        // `f32::max` passes over NaN, which is the very thing to be found.
        let max_abs_diff = ids
            .iter()
            .zip(values)
            .map(|(id, value)| (found(id) - value).abs())
            .fold(0.0, |most, d| if d.is_nan() || d > most { d } else { most });
        SelfCheck { max_abs_diff, ok: max_abs_diff <= tolerance * largest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference() -> Reference {
        Reference {
            text: String::new(),
            logits: Expected { position: 0, ids: vec![0, 2], values: vec![1.0, -20.0] },
        }
    }

    #[test]
    fn equal_values_pass_and_wrong_missing_or_undefined_ones_fail() {
        for (row, ok) in [
            (vec![1.0, 9.0, -20.0], true),
            (vec![1.01, 9.0, -20.0], true),
            (vec![1.03, 9.0, -20.0], false),
            (vec![1.0, 9.0, f32::NAN], false),
            (vec![f32::NAN, 9.0, -20.0], false),
            (vec![1.0], false),
        ] {
            for exact in [WeightType::F32, WeightType::Int8] {
                assert_eq!(reference().compare(&row, exact, WeightType::Int8).ok, ok, "{exact:?} {row:?}");
            }
        }
    }

    #[test]
    fn rounded_weights_may_show_but_wrong_numbers_may_not() {
        for (row, ok) in [([1.5, 9.0, -19.0], true), ([1.0, 9.0, -17.0], false), ([-1.5, 9.0, -20.0], false)]
        {
            assert_eq!(reference().compare(&row, WeightType::Int8, WeightType::F16).ok, ok, "{row:?}");
        }
    }

    #[test]
    fn a_file_without_values_is_no_reference() {
        let empty = br#"{"text":"a","logits":{"position":0,"ids":[],"values":[]}}"#;
        let uneven = br#"{"text":"a","logits":{"position":0,"ids":[1],"values":[]}}"#;
        for json in [&empty[..], &uneven[..], b"{}", b"<html>"] {
            assert_eq!(Reference::parse(json), None);
        }
    }
}
