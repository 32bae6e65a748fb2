//! How an engine keeps a model's weights.

use serde::{Deserialize, Serialize};

/// How a matrix's numbers are stored. Arithmetic is in f32 whatever the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WeightType {
    /// 32 bits a number.
    F32,
    /// 16 bits a number, IEEE half precision.
    F16,
    /// 8 bits a number, and a scale for each output: the largest weight of an output becomes 127.
    Int8,
}

impl WeightType {
    /// All of them, the most precise first.
    pub const ALL: [WeightType; 3] = [WeightType::F32, WeightType::F16, WeightType::Int8];

    /// As it is written everywhere: `f32`, `f16`, `int8`.
    pub fn name(self) -> &'static str {
        match self {
            WeightType::F32 => "f32",
            WeightType::F16 => "f16",
            WeightType::Int8 => "int8",
        }
    }

    /// The type of that name.
    pub fn named(name: &str) -> Option<WeightType> {
        WeightType::ALL.into_iter().find(|weights| weights.name() == name)
    }
}
